import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { readCells } from "../../../../pipeline/runtime/read-cells.ts";
import { manifestOf, manifestText } from "../../../../pipeline/schema/manifest.ts";
import {
  factsOf as factsIn,
  isManifest,
  isReleaseName,
  summedNames,
} from "../../../../pipeline/schema/mark.ts";
import { sbomAsset } from "../../../../pipeline/schema/names.ts";
import { ownershipOf } from "../../../../pipeline/stores/directory/ownership.ts";
import { DirectoryReleases } from "../../../../pipeline/stores/directory/releases.ts";
import { StagingDirectory, sums } from "../../../../pipeline/stores/directory/staging.ts";
import { sha256File } from "../../../../pipeline/util/hash.ts";
import { bytesOf, factsOf } from "../../../support/github/staging.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { tempDirectory } from "../../../support/run.ts";
import { silentRun } from "../../../support/silent.ts";

const cells = readCells(REPOSITORY);
const TAG = "images-v0.0.7";
const ELF = "vmlinux-amd64.elf";
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const PI = "pi-amd64-ubuntu-rootfs.ext4.zst";
const MANIFEST = manifestText(manifestOf(cells, undefined));
const facts = (asset: string) => factsOf(cells.cells.find(({ assets }) => assets.includes(asset))!, asset);

let parent: string;
let directory: string;
beforeEach(() => {
  parent = tempDirectory();
  directory = join(parent, TAG);
});
const releases = (at = directory) => new DirectoryReleases(at, TAG, silentRun());
const store = (at = directory) => new StagingDirectory(at);
const names = (at = directory) => readdirSync(at).sort();
const write = (name: string, text = "a user's", at = directory) => {
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, name), text);
};
async function stage(asset: string, at = directory): Promise<void> {
  write("made", bytesOf(asset), parent);
  await store(at).put(join(parent, "made"), facts(asset), bytesOf(sbomAsset(asset)));
}
const outgoing = (name: string, text = "the bytes") => {
  write(name, text, join(parent, "out"));
  const { sha256 } = facts(CODEX);
  return { name, path: join(parent, "out", name), size: text.length, sha256 };
};

describe("a directory as a release", () => {
  it("is opened where it is one, and nowhere else", async () => {
    await stage(CODEX);
    const release = { id: directory, tag: TAG, state: "draft", url: directory };
    expect(await releases().open(directory)).toEqual(release);
    expect(await releases().publish(await releases().open(directory))).toEqual(release);
    await expect(releases().open(join(parent, "none"))).rejects.toThrow(
      `there is no directory ${join(parent, "none")}: create it with \`npx smolvm-images release prepare\``,
    );
    await expect(releases().open(join(directory, CODEX))).rejects.toThrow("there is no directory");
  });

  it("is found by its own tag wherever it is, by another one beside it, or not at all", async () => {
    const elsewhere = join(parent, "elsewhere");
    await stage(CODEX, elsewhere);
    await stage(CODEX, join(parent, "images-v0.0.8"));
    write("images-v0.0.9", "a file", parent);
    const find = async (tag: string) => (await releases(elsewhere).find(tag))?.id;
    expect(await find(TAG)).toBe(elsewhere);
    expect(await find("images-v0.0.8")).toBe(join(parent, "images-v0.0.8"));
    expect(await find("images-v0.0.9")).toBeUndefined();
    expect(await find("images-v0.1.0")).toBeUndefined();
  });

  it("is alone on its list where it is not named after its tag, and has company in order where it is", async () => {
    await stage(CODEX, join(parent, "images-v0.0.8"));
    await stage(CODEX, join(parent, "images-v0.0.10"));
    await stage(CODEX, join(parent, "mine"));
    write("notes.txt", "a user's", parent);
    const list = async (at: string) => (await releases(at).list()).map(({ tag }) => tag);
    expect(await list(join(parent, "mine"))).toEqual([TAG]);
    expect(await list(directory)).toEqual(["images-v0.0.10", "images-v0.0.8", "mine"]);
    expect(await list(join(parent, "nowhere", TAG))).toEqual([]);
  });

  it("has assets with their sizes, whose facts are none, and says which are half-written", async () => {
    await stage(CODEX);
    write(`${PI}.4194305.partial`, "half");
    write("notes.txt");
    write("notes.json", "{}");
    mkdirSync(join(directory, "photos"));
    const assets = await releases().assets(await releases().open(directory));
    expect(assets.map(({ name, size, complete, foreign }) => [name, size, complete, foreign]).sort()).toEqual(
      [
        [CODEX, bytesOf(CODEX).length, true, false],
        ["SHA256SUMS", expect.any(Number), true, false],
        [sbomAsset(CODEX), bytesOf(sbomAsset(CODEX)).length, true, false],
        [`${PI}.4194305.partial`, 4, false, false],
        ["notes.json", 2, true, true],
        ["notes.txt", 8, true, true],
      ].sort(),
    );
  });

  it("takes a file once, and no other bytes under its name", async () => {
    const release = await releases().prepare();
    const file = { ...outgoing("manifest.json", "bytes"), sha256: "" };
    file.sha256 = await sha256File(file.path, silentRun().signal);
    expect(await releases().send(release, file)).toBe("sent");
    expect(await releases().send(release, file)).toBe("there");
    await expect(releases().send(release, { ...file, sha256: "0".repeat(64) })).rejects.toThrow(
      /^manifest\.json is on .* with other bytes .*: remove it, or choose another directory$/,
    );
    expect(readFileSync(join(directory, "manifest.json"), "utf8")).toBe("bytes");
    await expect(releases().send({ ...release, id: "/proc/none" }, file)).rejects.toThrow(
      "cannot write to /proc/none (no such file or directory): choose another directory with --store dir:PATH",
    );
    await expect(releases().send(release, { ...file, name: ".x" })).rejects.toThrow(
      "GitHub would change the asset name",
    );
    expect(names()).toEqual(["manifest.json"]);
  });

  it("takes nothing from itself", async () => {
    await stage(CODEX);
    const release = await releases().open(directory);
    const before = statSync(join(directory, CODEX)).ino;
    expect(await releases().sendStaged(release, store(), facts(CODEX))).toBe("there");
    expect(statSync(join(directory, CODEX)).ino).toBe(before);
  });

  it("sends an asset again whose bytes are not what its facts say", async () => {
    const staged = join(parent, "staged");
    for (const at of [staged, directory]) await stage(CODEX, at);
    write(CODEX, "damaged");
    const release = await releases().open(directory);
    expect(await releases().sendStaged(release, store(staged), facts(CODEX))).toBe("sent");
    expect(readFileSync(join(directory, CODEX), "utf8")).toBe(bytesOf(CODEX));
    rmSync(join(directory, CODEX));
    expect(await releases().sendStaged(release, store(staged), facts(CODEX))).toBe("sent");
    expect(await releases().sendStaged(release, store(staged), facts(CODEX))).toBe("there");
    expect(existsSync(join(staged, CODEX))).toBe(true);
  });

  it("takes no other bytes under an asset's name", async () => {
    const staged = join(parent, "staged");
    for (const at of [staged, directory]) await stage(CODEX, at);
    const other = { ...facts(CODEX), sha256: "0".repeat(64) };
    write(`${CODEX}.json`, JSON.stringify(other));
    await expect(
      releases().sendStaged(await releases().open(directory), store(staged), facts(CODEX)),
    ).rejects.toThrow(
      /^codex-amd64-ubuntu-rootfs\.ext4\.zst is on .* with other bytes \(sha256 0{64} there, [0-9a-f]{64} here\): empty/,
    );
    expect(JSON.parse(readFileSync(join(directory, `${CODEX}.json`), "utf8"))).toEqual(other);
  });

  it("loses an asset with its facts, and nothing else", async () => {
    for (const asset of [CODEX, PI]) await stage(asset);
    const release = await releases().open(directory);
    const [codex] = (await releases().assets(release)).filter(({ name }) => name === CODEX);
    const before = names();
    await releases().discard(release, codex!);
    await releases().discard(release, codex!);
    expect(names()).toEqual(before.filter((name) => !name.startsWith(CODEX)));
  });
});

describe("what is staged in a directory", () => {
  it("is every asset with its facts, by name", async () => {
    for (const asset of [PI, CODEX]) await stage(asset);
    expect((await store().all()).map(({ asset }) => asset)).toEqual([CODEX, PI]);
    // Known by the sums alone, its facts are not there: it is not finished.
    rmSync(join(directory, `${CODEX}.json`));
    expect((await store().all()).map(({ asset }) => asset)).toEqual([PI]);
  });

  it("that is missing is named, with the command that makes it again", async () => {
    await stage(CODEX);
    write(CODEX, "other");
    await expect(store().outgoing(facts(CODEX), silentRun())).rejects.toThrow(
      /does not match its facts \(sha256 [0-9a-f]{64}, the facts say [0-9a-f]{64}\): build it again/,
    );
    rmSync(join(directory, CODEX));
    await expect(store().outgoing(facts(CODEX), silentRun())).rejects.toThrow(
      `${join(directory, CODEX)} is missing: build it again with \`npx smolvm-images cell codex-amd64-ubuntu --no-cache\``,
    );
    rmSync(join(directory, sbomAsset(CODEX)));
    await expect(store().outgoingSbom(facts(CODEX), silentRun())).rejects.toThrow(
      `${sbomAsset(CODEX)} is missing`,
    );
  });

  it("leaves nothing half-made where it cannot be copied", async () => {
    const from = join(parent, "from");
    await stage(CODEX, from);
    rmSync(join(from, sbomAsset(CODEX)));
    await expect(store().copy(store(from), facts(CODEX))).rejects.toThrow("ENOENT");
    expect(names()).toEqual([]);
  });

  it("takes its inventory along", async () => {
    const from = join(parent, "from");
    await stage(CODEX, from);
    await store().copy(store(from), facts(CODEX));
    expect(names()).toEqual(names(from));
    expect(readFileSync(join(directory, sbomAsset(CODEX)), "utf8")).toBe(bytesOf(sbomAsset(CODEX)));
  });

  it("cannot be where there can be no directory, and one is told how to name another", async () => {
    write("file", "x", parent);
    await expect(store(join(parent, "file/x")).put("x", facts(CODEX), "")).rejects.toThrow(
      /: choose another directory with --store dir:PATH$/,
    );
  });

  const SHM = "/dev/shm";
  it.skipIf(!existsSync(SHM) || statSync(SHM).dev === statSync(tmpdir()).dev)(
    "is moved there from another disk as well",
    async () => {
      const other = mkdtempSync(join(SHM, "smolvm-test-"));
      onTestFinished(() => rmSync(other, { recursive: true }));
      write("made", bytesOf(CODEX), other);
      await store().put(join(other, "made"), facts(CODEX), bytesOf(sbomAsset(CODEX)));
      expect(readFileSync(join(directory, CODEX), "utf8")).toBe(bytesOf(CODEX));
      expect(readdirSync(other)).toEqual([]);
    },
  );

  it("has sums in one order, whatever the order of facts", () => {
    const lines = sums([facts(PI), facts(CODEX)], { "manifest.json": "0".repeat(64) });
    const listed = lines
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(66));
    expect(listed).toEqual([sbomAsset(CODEX), CODEX, "manifest.json", sbomAsset(PI), PI]);
    expect(lines).toContain(`${facts(PI).sha256}  ${PI}\n`);
  });
});

describe("what is ours in a directory", () => {
  const ours = async () => [...(await ownershipOf(directory)).ours];

  it("is told in an order in which it can be removed, and is known to the end", async () => {
    for (const asset of [CODEX, ELF]) await stage(asset);
    write("vmlinux-amd64.config", "CONFIG_X=y\n");
    write("manifest.json", MANIFEST);
    const order = await ours();
    expect([...order].sort()).toEqual(names());
    const first = ["manifest.json", "vmlinux-amd64.config", sbomAsset(CODEX), sbomAsset(ELF)];
    expect(order.slice(0, 4).sort()).toEqual(first.sort());
    expect(order.at(-1)).toBe("SHA256SUMS");
    // Whoever is killed in between leaves what is still known.
    for (const name of order) {
      const left = await ownershipOf(directory);
      expect(left.foreign, `before ${name} is removed`).toEqual([]);
      rmSync(join(directory, name));
    }
    expect(names()).toEqual([]);
  });

  it("is not a copy of facts under another name, nor a kernel's configuration without that kernel", async () => {
    await stage(CODEX);
    write("copy.json", readFileSync(join(directory, `${CODEX}.json`), "utf8"));
    for (const name of ["vmlinux-amd64.config", "undefined.config", "old-vmlinux-amd64.elf"]) write(name);
    expect((await ownershipOf(directory)).foreign).toEqual(
      ["copy.json", "old-vmlinux-amd64.elf", "undefined.config", "vmlinux-amd64.config"].sort(),
    );
  });

  it("is known to the end also where the sums alone say so", async () => {
    for (const asset of [CODEX, ELF]) await stage(asset);
    rmSync(join(directory, `${CODEX}.json`));
    const order = await ours();
    expect(order).toContain(CODEX);
    expect(order.at(-1)).toBe("SHA256SUMS");
  });

  it("is no configuration of a kernel that is called otherwise", async () => {
    await stage(CODEX);
    for (const asset of ["old-vmlinux-amd64.elf", "vmlinux-amd64.elf-old"]) {
      write(`${asset}.json`, JSON.stringify({ ...facts(CODEX), asset }));
      write(asset, "a kernel");
    }
    write("vmlinux-amd64.config", "a user's");
    const { ours, foreign } = await ownershipOf(directory);
    expect([...ours]).toEqual(expect.arrayContaining(["old-vmlinux-amd64.elf", "vmlinux-amd64.elf-old"]));
    expect(foreign).toEqual(["vmlinux-amd64.config"]);
  });

  it("is nothing of somebody else's whose name ends like ours on a line of its own", async () => {
    await stage(CODEX);
    const theirs = `notes\n${CODEX}.4194305.partial`;
    write(theirs);
    expect(await ownershipOf(directory)).toMatchObject({ abandoned: new Set(), foreign: [theirs] });
  });

  it("is no manifest that is larger than any of ours, and is not read", async () => {
    await stage(CODEX);
    const padded = MANIFEST.padEnd(64 << 20);
    write("manifest.json", padded);
    expect(await ours()).toContain("manifest.json");
    write("manifest.json", `${padded} `);
    expect((await ownershipOf(directory)).foreign).toEqual(["manifest.json"]);
  });

  it("are damaged facts of an asset that the sums list", async () => {
    await stage(CODEX);
    write(`${CODEX}.json`, "{ half");
    expect(await ours()).toContain(`${CODEX}.json`);
    write("notes.json", "{ half");
    expect(await ours()).not.toContain("notes.json");
  });

  it("is what a process that is gone has half-written, of whatever release", async () => {
    await stage(ELF);
    write("vmlinux-amd64.config", "CONFIG_X=y\n");
    const abandoned = [
      ...[`${PI}.4194305.partial`, `${PI}.json.12.4194305.partial`, "SHA256SUMS.3.4194305.partial"],
      ...["manifest.json.0.4194305.partial", "vmlinux-amd64.config.4194305.partial"],
      `${sbomAsset(PI)}.2.4194305.partial`,
    ];
    const theirs = [
      `${PI}.partial`,
      `${PI}.4194305.partial.txt`,
      "notes.4194305.partial",
      "x.json.1.4194305.partial",
    ];
    for (const name of [...abandoned, ...theirs, `${PI}.${process.pid}.partial`]) write(name);
    const found = await ownershipOf(directory);
    expect([...found.abandoned].sort()).toEqual(abandoned.sort());
    expect(found.foreign).toEqual(theirs.sort());
  });

  it("is nothing in a directory that is not there", async () => {
    expect(await ownershipOf(join(parent, "none"))).toEqual({
      ...{ ours: new Set(), abandoned: new Set(), foreign: [] },
    });
    await expect(ownershipOf(join(dirname(directory), "\0"))).rejects.not.toMatchObject({
      name: "PipelineError",
    });
  });

  it("names what is in its way", async () => {
    await stage(CODEX);
    write(PI);
    await expect(stage(PI)).rejects.toMatchObject({
      message: `${join(directory, PI)} was not made by the pipeline, so it is not changed: move it away`,
    });
  });
});

describe("our mark", () => {
  it.each([
    ...["vmlinux-amd64.elf", "vmlinux-arm64.image", CODEX, "base-arm64-rootfs.ext4.zst", sbomAsset(CODEX)],
    ...[`${CODEX}.json`, "vmlinux-amd64.elf.json", "manifest.json", "SHA256SUMS"],
  ])("may be a file called %s", (name) => {
    expect(isReleaseName(name)).toBe(true);
  });

  it.each([
    ...[
      "vmlinux-riscv.elf",
      "vmlinux-amd64.elf.old",
      "my-vmlinux-amd64.elf",
      "Codex-rootfs.ext4.zst",
      "x.ext4.zst",
    ],
    ...[
      `${CODEX}.json.bak`,
      `old/${CODEX}`,
      `${CODEX}~`,
      "manifest.json.old",
      "SHA256SUMS.txt",
      "package.json",
    ],
    ...["codex.json-rootfs.ext4.zst", "notes.cdx.json.txt", `${CODEX}.jsonx`, `.${CODEX}`, ""],
  ])("is no file called %j", (name) => {
    expect(isReleaseName(name)).toBe(false);
  });

  it("are facts that name an asset and its inventory", () => {
    const given = facts(CODEX);
    expect(factsIn(JSON.stringify(given))).toEqual({ asset: CODEX, sbom: sbomAsset(CODEX) });
    expect(factsIn(JSON.stringify({ ...given, schema_version: 99, more: 1 }))).toBeDefined();
    for (const field of ["schema_version", "id", "asset", "sha256", "sbom"]) {
      expect(factsIn(JSON.stringify({ ...given, [field]: undefined })), field).toBeUndefined();
    }
    expect(factsIn(JSON.stringify({ ...given, sbom: {} }))).toBeUndefined();
    for (const text of ["", "{ half", "[]", "null"]) expect(factsIn(text)).toBeUndefined();
  });

  it("is a manifest's form", () => {
    const manifest = JSON.parse(MANIFEST);
    expect(isManifest(MANIFEST)).toBe(true);
    expect(isManifest(JSON.stringify({ ...manifest, schema_version: 99, more: 1 }))).toBe(true);
    for (const field of ["schema_version", "tag", "repository", "kernels", "bases", "images"]) {
      expect(isManifest(JSON.stringify({ ...manifest, [field]: undefined })), field).toBe(false);
    }
    expect(isManifest('{"name": "app"}')).toBe(false);
    expect(isManifest("{ half")).toBe(false);
  });

  it("are sums of such files alone", () => {
    const hash = "a".repeat(64);
    const none = new Set<string>();
    const line = (name: string) => `${hash}  ${name}\n`;
    expect(summedNames(line(CODEX) + line("manifest.json"), none)).toEqual([CODEX, "manifest.json"]);
    expect(summedNames("", none)).toEqual([]);
    expect(summedNames(line("own.img"), new Set(["own.img"]))).toEqual(["own.img"]);
    for (const text of [
      ...[line("debian.iso"), line(CODEX) + line("debian.iso"), line(CODEX).trimEnd(), "-", "\n"],
      ...[`${hash} ${CODEX}\n`, `a${line(CODEX)}`, `${hash.slice(1)}  ${CODEX}\n`, `${hash} *${CODEX}\n`],
      ...[`${line(CODEX)}half`, `${hash}  \n`, `${hash}  ${CODEX}\r\n`],
    ]) {
      expect(summedNames(text, none), JSON.stringify(text)).toBeUndefined();
    }
  });
});
