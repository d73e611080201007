import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { checkStaging } from "../../../../pipeline/cli/pipeline/store.ts";
import { readCells } from "../../../../pipeline/runtime/read-cells.ts";
import { manifestOf, manifestText } from "../../../../pipeline/schema/manifest.ts";
import { sbomAsset } from "../../../../pipeline/schema/names.ts";
import { DirectoryReleases } from "../../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory } from "../../../../pipeline/stores/directory/staging.ts";
import type { StoredRelease } from "../../../../pipeline/stores/store.ts";
import { bytesOf, factsOf } from "../../../support/github/staging.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { type RecordedRun, recordedRun, tempDirectory } from "../../../support/run.ts";

const cells = readCells(REPOSITORY);
const KERNELS = ["vmlinux-amd64.elf", "vmlinux-amd64.image"];
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const cellOf = (asset: string) => cells.cells.find(({ assets }) => assets.includes(asset))!;

let parent: string;
let directory: string;
let run: RecordedRun;
beforeEach(() => {
  parent = tempDirectory();
  directory = join(parent, cells.tag);
  run = recordedRun();
});

const releases = (at = directory) => new DirectoryReleases(at, cells.tag, run);
const names = (at = directory) => readdirSync(at, { recursive: true, encoding: "utf8" }).sort();
const write = (path: string, text = "a user's") => {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
};
const writeAll = (...paths: string[]) => {
  for (const path of paths) write(path);
};
const MANIFEST = manifestText(manifestOf(cells, undefined));

/** What cells and `release publish` leave. */
async function stage(at = directory): Promise<void> {
  for (const asset of [...KERNELS, CODEX]) {
    const file = join(parent, "made");
    writeFileSync(file, bytesOf(asset));
    await new StagingDirectory(at).put(file, factsOf(cellOf(asset), asset), bytesOf(sbomAsset(asset)));
  }
  writeFileSync(join(at, "vmlinux-amd64.config"), "CONFIG_X=y\n");
  writeFileSync(join(at, "manifest.json"), MANIFEST);
}

/** As `release prepare --empty` does it. */
async function empty(release: StoredRelease): Promise<void> {
  for (const asset of await releases().assets(release)) {
    if (!asset.foreign) await releases().discard(release, asset);
  }
}

describe("a directory that is not a release's", () => {
  it.each<[string, () => void, string]>([
    ["a user's files", () => write("thesis.txt"), "thesis.txt"],
    ["several", () => writeAll("b.txt", "a.txt", ".git/config"), ".git and 2 more"],
    [
      "sums of other files",
      () => {
        write("debian.iso");
        write("SHA256SUMS", `${"a".repeat(64)}  debian.iso\n`);
      },
      "SHA256SUMS and 1 more",
    ],
    ["facts of nothing that we know", () => write("package.json", '{"name": "app"}'), "package.json"],
    ["an asset of which nothing says that we made it", () => write(CODEX), CODEX],
    ["the project's own manifest", () => write("manifest.json", MANIFEST), "manifest.json"],
    [
      "a link in the place of sums",
      () => {
        mkdirSync(directory);
        symlinkSync("/dev/null", join(directory, "SHA256SUMS"));
      },
      "SHA256SUMS",
    ],
  ])("because it has %s, is refused by name, and stays", async (_, make, found) => {
    make();
    const before = names();
    const message = `${directory} is not the directory of a release: it has ${found}: give an empty directory, or one that does not exist yet`;
    await expect(releases().prepare()).rejects.toThrow(message);
    await expect(releases(join(parent, "other")).open(directory)).rejects.toThrow(message);
    await expect(checkStaging(directory)).rejects.toThrow(message);
    const release = { id: directory, tag: cells.tag, state: "draft", url: directory } as const;
    await empty(release);
    await releases().remove(release);
    expect(await releases().list()).toEqual([]);
    expect(names()).toEqual(before);
  });

  it.each([
    ["a file", () => join(parent, "file")],
    ["below a file", () => join(parent, "file/release")],
    ["in a place without directories of users", () => "/proc/release"],
  ])("because it is %s, is refused at once", async (_, where) => {
    writeFileSync(join(parent, "file"), "");
    for (const look of [() => releases(where()).prepare(), () => checkStaging(where())]) {
      await expect(look()).rejects.toMatchObject({
        name: "PipelineError",
        message: expect.stringMatching(/^cannot (read|write to) \S+ \(.+\): choose another directory/),
      });
    }
  });
});

describe("a directory that is empty, or a release's", () => {
  it("is taken, and made where it is not there; looking before a build changes nothing", async () => {
    await checkStaging(join(directory, "deep/er"));
    expect(names(parent)).toEqual([]);
    expect((await releases().prepare()).id).toBe(directory);
    await checkStaging(directory);
    await stage();
    await checkStaging(directory);
    expect((await releases().prepare()).id).toBe(directory);
  });

  it("is emptied of all that is ours, and of nothing else", async () => {
    await stage();
    const dead = [
      `${CODEX}.4194305.partial`,
      "SHA256SUMS.3.4194305.partial",
      "manifest.json.0.4194305.partial",
    ];
    writeAll(...dead);
    const theirs = [
      "notes.txt",
      "photos/one.jpg",
      "thesis.4194305.partial",
      `${CODEX}.${process.pid}.partial`,
    ];
    writeAll(...theirs);
    const outside = join(parent, "outside");
    writeFileSync(outside, "a user's");
    symlinkSync(outside, join(directory, "pi-amd64-ubuntu-rootfs.ext4.zst"));
    await empty(await releases().prepare());
    expect(names()).toEqual(["photos", "pi-amd64-ubuntu-rootfs.ext4.zst", ...theirs].sort());
    expect(readFileSync(outside, "utf8")).toBe("a user's");
  });

  it("does not lose a file of somebody else by its name alone", async () => {
    await stage();
    write("notes.txt");
    const release = await releases().prepare();
    const [notes] = (await releases().assets(release)).filter(({ name }) => name === "notes.txt");
    await expect(releases().discard(release, notes!)).rejects.toThrow(
      `${join(directory, "notes.txt")} was not made by the pipeline, so it is not changed: move it away`,
    );
    expect(notes?.foreign).toBe(true);
  });

  it.each([
    ["the asset", "pi-amd64-ubuntu-rootfs.ext4.zst"],
    ["its facts", "pi-amd64-ubuntu-rootfs.ext4.zst.json"],
    ["its inventory", "pi-amd64-ubuntu-rootfs.cdx.json"],
  ])("takes no asset over where somebody has put a file in the place of %s", async (_, name) => {
    await stage();
    write(name);
    const before = names();
    const file = join(parent, "made");
    writeFileSync(file, "new");
    const facts = factsOf(cellOf("pi-amd64-ubuntu-rootfs.ext4.zst"), "pi-amd64-ubuntu-rootfs.ext4.zst");
    await expect(new StagingDirectory(directory).put(file, facts, "{}")).rejects.toThrow(
      `${join(directory, name)} was not made by the pipeline, so it is not changed: move it away`,
    );
    expect(names()).toEqual(before);
    expect(readFileSync(join(directory, name), "utf8")).toBe("a user's");
  });

  it("knows by the sums what a process has left that was killed before the facts", async () => {
    await stage();
    rmSync(join(directory, `${CODEX}.json`));
    const assets = await releases().assets(await releases().prepare());
    expect(assets.filter(({ foreign }) => foreign)).toEqual([]);
    const file = join(parent, "made");
    writeFileSync(file, "new");
    await new StagingDirectory(directory).put(file, factsOf(cellOf(CODEX), CODEX), "{}");
    expect(readFileSync(join(directory, CODEX), "utf8")).toBe("new");
  });

  it("has sums that name an asset before it is there", async () => {
    const file = join(parent, "missing");
    await expect(
      new StagingDirectory(directory).put(file, factsOf(cellOf(CODEX), CODEX), "{}"),
    ).rejects.toThrow("ENOENT");
    expect(readFileSync(join(directory, "SHA256SUMS"), "utf8")).toContain(`  ${CODEX}\n`);
  });
});

describe("removing a release", () => {
  it("removes its directory with it", async () => {
    await stage();
    await releases().remove(await releases().prepare());
    expect(names(parent)).toEqual([]);
  });

  it("leaves the directory where somebody else has a file in it, and names that", async () => {
    await stage();
    write("notes.txt");
    await releases().remove(await releases().prepare());
    expect(names()).toEqual(["notes.txt"]);
    expect(run.warnings).toEqual([
      `${directory} was not removed, because notes.txt in it was not made by the pipeline`,
    ]);
  });

  it("lists the releases beside it, by what is in them, and follows no link", async () => {
    await stage();
    await stage(join(parent, "images-v0.0.1"));
    const elsewhere = tempDirectory();
    await stage(elsewhere);
    symlinkSync(elsewhere, join(parent, "images-v0.0.2"));
    write("../images-v0.0.3/manifest.json", MANIFEST);
    expect((await releases().list()).map(({ tag }) => tag)).toEqual(["images-v0.0.1", cells.tag]);
    expect(await releases(join(parent, "none")).list()).toEqual([]);
    expect(names(parent)).not.toContain("none");
  });
});
