import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { diffReleases } from "../../../pipeline/release/diff/diff.ts";
import { type Reading, readRelease } from "../../../pipeline/release/diff/read.ts";
import type { Cells } from "../../../pipeline/schema/cells.ts";
import { DirectoryReleases } from "../../../pipeline/stores/directory/releases.ts";
import type { ReleaseStore, StoredRelease } from "../../../pipeline/stores/store.ts";
import { GitHubServer } from "../../support/github/server.ts";
import { Publisher } from "../../support/github/staging.ts";
import { type Said, stageContents } from "../../support/release-contents.ts";
import { tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"];
const cells: Cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const SAID: Record<string, Said> = {
  "codex-amd64-ubuntu": {
    ms: 4100,
    packages: [{ type: "npm", name: "@openai/codex", version: "0.169.0" }],
    files: { "usr/bin/node": 118_000_000 },
  },
};
const said = ({ id }: { readonly id: string }) => SAID[id] ?? {};

let server: GitHubServer;
beforeEach(async () => {
  server = await GitHubServer.start();
});
afterEach(() => server.stop());

const read = (store: ReleaseStore, release: StoredRelease, more: Partial<Reading> = {}, run = silentRun()) =>
  readRelease({ store, release, cells, known: new Map(), ...more }, run);

async function published(directory = tempDirectory()) {
  stageContents(cells, directory, said);
  const publisher = new Publisher(server, cells, directory);
  await publisher.all();
  const store = publisher.store("good");
  return { publisher, store, release: (await store.find(cells.tag))!, held: server.github.releases[0]! };
}
const inDirectory = async (path: string, run = silentRun()) => {
  const store = new DirectoryReleases(path, basename(path), run);
  return await read(store, (await store.find(basename(path)))!);
};

describe("a published release", () => {
  it("says what was staged, without its facts: packages, sizes, boot times, inputs and large files", async () => {
    const directory = tempDirectory();
    const { store, release } = await published(directory);
    const there = await read(store, release);
    const codex = there.cells.find(({ id }) => id === "codex-amd64-ubuntu")!;
    expect(codex).toMatchObject({
      assets: [{ name: "codex-amd64-ubuntu-rootfs.ext4.zst", boot: { ms: 4100, accel: "tcg" } }],
      made_from: cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!.made_from,
      packages: SAID["codex-amd64-ubuntu"]!.packages,
      files: { "usr/bin/node": 118_000_000 },
    });
    expect(
      there.cells
        .find(({ id }) => id === "kernel-amd64")!
        .assets.map(({ name }) => name)
        .sort(),
    ).toEqual(["vmlinux-amd64.elf", "vmlinux-amd64.image"]);
    // And the directory from which it was made says the same.
    const own = await inDirectory(directory);
    expect(diffReleases(own, there)).toMatchObject({ assets: [], pins: [], packages: [], files: [] });
    expect(diffReleases(own, there).cells.unchanged).toEqual([...IDS].sort());
  });

  it("is read with a token that may only read, and each inventory once", async () => {
    const { publisher, release } = await published();
    server.github.tokens.set("reader", { contents: "read", pull_requests: "none" });
    const known = new Map();
    await read(publisher.store("reader"), release, { known });
    const downloads = () => server.requests.filter((each) => /\/releases\/assets\/\d+$/.test(each)).length;
    const before = downloads();
    await read(publisher.store("reader"), release, { known });
    // The manifest alone.
    expect(downloads() - before).toBe(1);
  });

  it("of another program is refused by name", async () => {
    server.github.addRelease("images-v6.0.0", { draft: false });
    const store = new Publisher(server, cells, tempDirectory()).store();
    await expect(read(store, (await store.find("images-v6.0.0"))!)).rejects.toThrow(
      "images-v6.0.0 on example/images on GitHub has no manifest.json: `npx smolvm-images release publish` adds it",
    );
  });

  it.each<[string, string, string, RegExp]>([
    [
      "a manifest that is none",
      "manifest.json",
      "{}",
      /^manifest\.json of \S+ on \S+ on GitHub cannot be read \(/,
    ],
    [
      "an inventory with other bytes",
      "codex-amd64-ubuntu-rootfs.cdx.json",
      "other",
      /^codex-amd64-ubuntu-rootfs\.cdx\.json on example\/images on GitHub has .*: look at it with `npx smolvm-images release verify/,
    ],
  ])("with %s is refused", async (_, name, bytes, message) => {
    const { store, release, held } = await published();
    const asset = held.assets.find((each) => each.name === name)!;
    asset.bytes = Buffer.from(bytes.padEnd(asset.bytes.length));
    await expect(read(store, release)).rejects.toThrow(message);
  });

  it("without an inventory is refused; a list that is stale is read again where the files must be there", async () => {
    const { store, release, held } = await published();
    const inventory = held.assets.find(({ name }) => name === "codex-amd64-ubuntu-rootfs.cdx.json")!;
    inventory.hidden = 2;
    expect((await read(store, release, { awaited: ["manifest.json"] })).cells).toHaveLength(3);
    held.assets.splice(held.assets.indexOf(inventory), 1);
    await expect(read(store, release)).rejects.toThrow(
      "codex-amd64-ubuntu-rootfs.cdx.json of images-v7.0.0 on example/images on GitHub is missing",
    );
  });
});

describe("a directory", () => {
  it("that has nothing of a release is refused", async () => {
    const path = tempDirectory();
    writeFileSync(join(path, "notes.txt"), "mine");
    await expect(inDirectory(path)).rejects.toThrow(
      `there is no release in ${path}: give a directory with staged cells, or with the files of a release`,
    );
  });

  it("with the downloaded files of a release is read without facts", async () => {
    const { held } = await published();
    const path = tempDirectory();
    for (const { name, bytes } of held.assets)
      if (/\.json$/.test(name)) writeFileSync(join(path, name), bytes);
    const { tag, cells: found } = await inDirectory(path);
    expect([tag, found.map(({ id }) => id).sort()]).toEqual([cells.tag, [...IDS].sort()]);
  });

  it("whose inventory is not that of the facts is refused", async () => {
    const path = tempDirectory();
    stageContents(cells, path, said);
    writeFileSync(join(path, "codex-amd64-ubuntu-rootfs.cdx.json"), "{}");
    await expect(inDirectory(path)).rejects.toThrow(
      /^codex-amd64-ubuntu-rootfs\.cdx\.json on \S+ has sha256 /,
    );
  });

  it("says of cells with other inputs than the tree's nothing of what they were made from", async () => {
    const path = tempDirectory();
    stageContents(cells, path, said);
    const other: Cells = {
      ...cells,
      cells: cells.cells.map((cell) => (cell.kind === "base" ? { ...cell, inputs: "0".repeat(64) } : cell)),
    };
    const store = new DirectoryReleases(path, "x", silentRun());
    const found = await read(store, (await store.find("x"))!, { cells: other });
    expect(found.cells.flatMap(({ id, made_from }) => (made_from ? [] : [id]))).toEqual([
      "base-amd64-ubuntu",
    ]);
  });

  it("without an inventory is refused, and nothing stays in the temporary directory", async () => {
    const path = tempDirectory();
    stageContents(cells, path, said);
    rmSync(join(path, "codex-amd64-ubuntu-rootfs.cdx.json"));
    const temporary = tempDirectory();
    vi.stubEnv("TMPDIR", temporary);
    await expect(inDirectory(path)).rejects.toThrow(
      `codex-amd64-ubuntu-rootfs.cdx.json of ${path} is missing`,
    );
    vi.unstubAllEnvs();
    expect(readdirSync(temporary)).toEqual([]);
  });
});
