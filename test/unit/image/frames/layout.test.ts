import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BLOCK } from "../../../../pipeline/image/frames/blocks.ts";
import { type Landmarks, placesIn } from "../../../../pipeline/image/frames/layout.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { tempDirectory } from "../../../support/run.ts";

const MIB = 1 << 20;
/** 1 KiB of text that is in no other file. */
const text = (name: string) => `${name} `.repeat(1024).slice(0, 1024);

let directory: string;
let image: string;
let bytes: Buffer;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-layout-"));
  const root = join(directory, "root");
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  writeFileSync(join(root, "init"), text("init").repeat(20));
  for (const name of ["one", "two", "three"]) writeFileSync(join(root, "usr/bin", name), text(name));
  writeFileSync(join(root, "usr/large"), text("large").repeat(17 * 1024));
  writeFileSync(join(root, "usr/small"), text("small").repeat(15 * 1024));
  writeFileSync(join(root, "empty"), "");
  symlinkSync("init", join(root, "link"));
  image = join(directory, "image");
  const flags = ["-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-d", root, image, "400M"];
  execFileSync("mke2fs", flags, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
  bytes = readFileSync(image);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const NOWHERE = { apart: [], last: [] };
const cutMarks = async (path: string, landmarks: Landmarks) => (await placesIn(path, landmarks)).marks;
/** The blocks of a file in the image, by its content: the first, and the one after the last. */
const blocksOf = (name: string, size: number) => {
  const start = bytes.indexOf(text(name)) / BLOCK;
  return [start, start + Math.ceil(size / BLOCK)];
};

describe("the marks in an ext4 image", () => {
  it("are around the copies of the superblock and around large files, and before the first file", async () => {
    const marks = await cutMarks(image, NOWHERE);
    const copies = [32768, 98304].flatMap((block) => [block, block + 2]);
    const names = ["init", "one", "two", "three", "large", "small"];
    const first = Math.min(...names.map((name) => blocksOf(name, 1)[0]!));
    const large = blocksOf("large", 17 * MIB);
    expect(marks).toEqual([...new Set([first, ...large, ...copies])].sort((a, b) => a - b));
    expect((await placesIn(image, NOWHERE)).large).toEqual([large]);
    for (const block of [32768, 98304]) expect(bytes.readUInt16LE(block * BLOCK + 0x38)).toBe(0xef53);
  });

  it("are around a file that shall be apart, and after the last one of a base", async () => {
    const others = await cutMarks(image, NOWHERE);
    const more = async (landmarks: typeof NOWHERE | { apart: string[]; last: string[] }) =>
      (await cutMarks(image, landmarks)).filter((mark) => !others.includes(mark));
    const missing = (marks: number[]) => marks.filter((mark) => !others.includes(mark));
    expect(await more({ apart: ["init"], last: [] })).toEqual(missing(blocksOf("init", 20 * 1024)));
    expect(await more({ apart: [], last: ["usr/bin/two"] })).toEqual(missing([blocksOf("two", 1)[1]!]));
    expect(missing([...blocksOf("init", 20 * 1024), blocksOf("two", 1)[1]!])).not.toEqual([]);
  });

  it.each(["nothing", "usr/nothing", "init/nothing", "empty", "link", ""])("are not at %j", async (path) => {
    expect(await cutMarks(image, { apart: [path], last: [path] })).toEqual(await cutMarks(image, NOWHERE));
  });

  it("are not looked for in something else", async () => {
    const other = join(tempDirectory(), "image");
    writeFileSync(other, Buffer.alloc(8192));
    await expect(cutMarks(other, NOWHERE)).rejects.toThrow(PipelineError);
    writeFileSync(other, bytes.subarray(0, 6000));
    await expect(cutMarks(other, NOWHERE)).rejects.toThrow(`${other} ends at`);
  });
});
