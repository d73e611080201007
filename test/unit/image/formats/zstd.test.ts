import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeFrames } from "../../../../pipeline/image/formats/zstd.ts";
import { dataSize, decodeTable } from "../../../../pipeline/schema/frames.ts";
import { tempDirectory } from "../../../support/run.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const CONTENTS = [
  Buffer.from("a file system ".repeat(5000)),
  Buffer.alloc(1 << 20),
  Buffer.from("and what a preset adds ".repeat(900)),
];
const IMAGE = Buffer.concat(CONTENTS);

/** An asset of these frames, as it is published. */
async function asset() {
  const directory = tempDirectory();
  const frames = CONTENTS.map((content, index) => {
    const path = join(directory, String(index));
    const flags = ["-q", "-19", "--long=27", `--stream-size=${content.length}`, "-c"];
    writeFileSync(path, execFileSync("zstd", flags, { input: content }));
    return { sha256: sha256(content), imageSize: content.length, path };
  });
  const path = join(directory, "asset.zst");
  const written = await writeFrames(path, frames, new AbortController().signal);
  return { path, stored: frames, written, bytes: readFileSync(path) };
}

it("an asset of several frames is one file for zstd", async () => {
  const { path } = await asset();
  expect(execFileSync("zstd", ["-dc", path], { maxBuffer: 1 << 28 }).equals(IMAGE)).toBe(true);
});

it("an asset has the table of its frames where its facts say", async () => {
  const { bytes, stored, written } = await asset();
  expect(written).toMatchObject({ sha256: sha256(bytes), size: bytes.length });
  const { offset, size, sha256: digest } = written.frames;
  const table = bytes.subarray(offset, offset + size);
  expect(sha256(table)).toBe(digest);
  const frames = decodeTable(table, { size: dataSize(written.frames), imageSize: IMAGE.length });
  expect(frames.map((frame) => frame.sha256)).toEqual(stored.map((frame) => frame.sha256));
  let at = 0;
  for (const [index, { size: length, imageSize }] of frames.entries()) {
    const unpacked = execFileSync("zstd", ["-dc"], {
      input: bytes.subarray(at, at + length),
      maxBuffer: 1 << 28,
    });
    expect(unpacked.equals(CONTENTS[index]!)).toBe(true);
    expect(unpacked.length).toBe(imageSize);
    at += length;
  }
});

it("an asset ends with zstd's seek table, from which other programs know the same frames", async () => {
  const { bytes, written } = await asset();
  const { offset, size } = written.frames;
  const frames = decodeTable(bytes.subarray(offset, offset + size), {
    ...{ size: dataSize(written.frames), imageSize: IMAGE.length },
  });
  expect(bytes.readUInt32LE(bytes.length - 4)).toBe(0x8f92eab1);
  // No checksums, and nothing reserved.
  expect(bytes[bytes.length - 5]).toBe(0);
  const count = bytes.readUInt32LE(bytes.length - 9);
  const start = bytes.length - 9 - count * 8;
  expect(bytes.readUInt32LE(start - 8)).toBe(0x184d2a5e);
  expect(bytes.readUInt32LE(start - 4)).toBe(count * 8 + 9);
  expect(start - 8).toBe(offset + size);
  const entries = Array.from({ length: count }, (_, index) => ({
    size: bytes.readUInt32LE(start + index * 8),
    imageSize: bytes.readUInt32LE(start + index * 8 + 4),
  }));
  expect(entries).toEqual(frames.map((frame) => ({ size: frame.size, imageSize: frame.imageSize })));
});
