import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildNetwork } from "../../pipeline/image/docker/network.ts";
import { ensureTools } from "../../pipeline/image/docker/tools-image.ts";
import { makeExt4 } from "../../pipeline/image/formats/ext4.ts";
import type { SparseFile } from "../../pipeline/image/formats/sparse.ts";
import { type Compressed, compress } from "../../pipeline/image/formats/zstd.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { dataSize, decodeTable } from "../../pipeline/schema/frames.ts";
import { REPOSITORY } from "../support/project.ts";
import { silentRun } from "../support/silent.ts";
import { type TestEntry, tarOf } from "../support/tar.ts";

const docker = new Docker();
let directory: string;
let tools: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-frames-"));
  const { tools: declared, source_date_epoch: sourceDateEpoch } = readCells(REPOSITORY);
  const network = buildNetwork({ extraCa: process.env.NODE_EXTRA_CA_CERTS }, process.env);
  const options = { root: REPOSITORY, cache: directory, sourceDateEpoch, network };
  tools = await ensureTools(docker, declared, options, silentRun());
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Text of this many bytes that no other name has. */
function text(name: string, size: number): string {
  const lines = Array.from({ length: Math.ceil(size / 64) }, (_, line) =>
    createHash("sha256").update(`${name} ${line}`).digest("hex"),
  );
  return lines.join("").slice(0, size);
}
const BASE: TestEntry[] = [
  { name: "bin/" },
  { name: "opt/" },
  { name: "init", body: text("init", 20_000) },
  ...Array.from({ length: 40 }, (_, index) => ({ name: `bin/${index}`, body: text(`${index}`, 200_000) })),
];
const PRESET: TestEntry[] = [...BASE, { name: "opt/agent", body: text("agent", 3_000_000) }];

describe("the frames of images", () => {
  let base: SparseFile;
  let preset: SparseFile;
  const image = async (name: string, entries: readonly TestEntry[]) =>
    await makeExt4(
      docker,
      Readable.from([await tarOf(entries)]),
      { ...{ directory, name, sizeMib: 64, epoch: 1_700_000_000, tools }, contentBytes: 1, sizeKnob: "" },
      silentRun(),
    );
  /** Compresses an image with the frames of a store of this name. */
  const packed = (sparse: SparseFile, store: string, more: { jobs?: number; fresh?: boolean } = {}) =>
    compress(
      docker,
      sparse,
      {
        ...{ tools, level: 3, store: join(directory, store), ...more },
        landmarks: { apart: ["init"], last: sparse === preset ? ["bin/39"] : [] },
        limits: { most: 512, large: 512 },
      },
      silentRun(),
    );
  const framesOf = ({ path, frames, imageSize }: Compressed) => {
    const table = readFileSync(path).subarray(frames.offset, frames.offset + frames.size);
    return decodeTable(table, { size: dataSize(frames), imageSize });
  };

  beforeAll(async () => {
    base = await image("base", BASE);
    preset = await image("preset", PRESET);
  });

  it("are the same bytes for what a preset has from its base", async () => {
    const [one, other] = [framesOf(await packed(base, "store")), framesOf(await packed(preset, "store"))];
    const known = new Map(one.map(({ sha256, size }) => [sha256, size]));
    const own = other.filter(({ sha256 }) => !known.has(sha256));
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    // The agent, which does not compress to less than half, and what describes the file system.
    expect(bytes).toBeGreaterThan(1_500_000);
    expect(bytes).toBeLessThan(2_500_000);
    for (const { sha256, size } of other) expect(known.get(sha256) ?? size).toBe(size);
  });

  it("are the same on one core and on two, with and without those of the base, and after damage", async () => {
    const { sha256, imageSha256 } = await packed(preset, "store");
    expect((await packed(preset, "one", { jobs: 1 })).sha256).toBe(sha256);
    expect((await packed(preset, "two", { jobs: 2 })).sha256).toBe(sha256);
    for (const name of readdirSync(join(directory, "two"))) truncateSync(join(directory, "two", name), 7);
    expect(await packed(preset, "two")).toMatchObject({ sha256, imageSha256 });
    expect(await packed(preset, "two", { fresh: true })).toMatchObject({ sha256, imageSha256 });
  });

  it("are one file for zstd and for the decoder of SmolVM's own client, and Node decodes each", async () => {
    const asset = await packed(preset, "store");
    const { path, imageSha256 } = asset;
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    expect(digest(readFileSync(preset.path))).toBe(imageSha256);
    const most = { maxBuffer: 1 << 28 };
    expect(digest(execFileSync("zstd", ["-dc", path], most))).toBe(imageSha256);
    const table = framesOf(asset).map(({ size }) => size);
    // Node 24 stops after the first frame of a file, and decodes each.
    const node =
      'const { zstdDecompressSync } = require("zlib"); const { readFileSync } = require("fs");' +
      'const file = readFileSync("/work/preset.zst"); let at = 0; for (const size of JSON.parse(process.argv[1]))' +
      "process.stdout.write(zstdDecompressSync(file.subarray(at, (at += size))))";
    const flags = ["run", "--rm", "--network", "none", "-v", `${directory}:/work`, tools];
    const words = [...flags, "node", "-e", node, JSON.stringify(table)];
    expect(digest(execFileSync("docker", words, most))).toBe(imageSha256);
    const python =
      "import sys, zstandard; zstandard.ZstdDecompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer)";
    const decoded = spawnSync("/usr/bin/python3", ["-c", python], { input: readFileSync(path), ...most });
    expect(decoded.stderr.toString()).toBe("");
    expect(digest(decoded.stdout)).toBe(imageSha256);
  });
});
