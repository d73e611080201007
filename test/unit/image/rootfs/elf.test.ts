import { describe, expect, it } from "vitest";
import { type Elf, isElf, parseElf } from "../../../../pipeline/image/rootfs/elf.ts";
import { elfFile } from "../../../support/elf.ts";

/** What a file says, and how much of it was read at once at most. */
async function parsed(file: Buffer): Promise<{ elf: Elf | undefined; largest: number }> {
  let largest = 0;
  const elf = await parseElf(async (offset, length) => {
    largest = Math.max(largest, length);
    return file.subarray(offset, offset + length);
  });
  return { elf, largest };
}
const elfOf = async (file: Buffer) => (await parsed(file)).elf;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}
const [LOAD, DYNAMIC, INTERP, NOTE] = [1, 2, 3, 4];

/** A file with these segments, whose table's entries may be longer than they need be, and bytes at offsets. */
function fileOf(
  segments: readonly Segment[],
  contents: Readonly<Record<number, Buffer>>,
  entrySize = 56,
  count = segments.length,
): Buffer {
  const file = Buffer.alloc(0x2000);
  elfFile({}).copy(file, 0, 0, 64);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(entrySize, 54);
  file.writeUInt16LE(count, 56);
  for (const [index, { type, offset, address, size }] of segments.entries()) {
    const at = 64 + index * entrySize;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
  }
  for (const [offset, bytes] of Object.entries(contents)) bytes.copy(file, Number(offset));
  return file;
}

function dynamicOf(...pairs: readonly (readonly [tag: number, value: number])[]): Buffer {
  const table = Buffer.alloc(pairs.length * 16);
  for (const [index, [tag, value]] of pairs.entries()) {
    table.writeBigInt64LE(BigInt(tag), index * 16);
    table.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  }
  return table;
}
const [NEEDED, STRTAB, END] = [1, 5, 0];

describe("an ELF file", () => {
  it("says its arch, who loads it, and what it needs", async () => {
    const file = elfFile({ interpreter: "/lib/ld.so", needed: ["liba.so", "libb.so.6"] });
    expect(await elfOf(file)).toEqual({
      ...{ arch: "amd64", interpreter: "/lib/ld.so", needed: ["liba.so", "libb.so.6"] },
    });
    expect(await elfOf(elfFile({ machine: 183 }))).toEqual({
      arch: "arm64",
      interpreter: undefined,
      needed: [],
    });
    expect((await elfOf(elfFile({ machine: 8 })))?.arch).toBe("machine 8");
  });

  it.each([
    ["32 bits", 4, 1],
    ["big-endian", 5, 2],
  ])("of %s is named, and not read further", async (_, at, value) => {
    const file = elfFile({ machine: 183, interpreter: "/lib/ld.so", needed: ["liba.so"] });
    file[at] = value;
    expect(await elfOf(file)).toEqual({ arch: "arm64", interpreter: undefined, needed: [] });
  });

  it("is known by its first four bytes", () => {
    const magic = Buffer.from("\x7fELF", "latin1");
    expect(isElf(magic)).toBe(true);
    expect(isElf(magic.subarray(0, 3))).toBe(false);
    expect(isElf(Buffer.from("\x7fELG", "latin1"))).toBe(false);
  });

  it("that is cut off, or damaged, is none", async () => {
    const file = elfFile({ interpreter: "/lib/ld.so" });
    expect(await elfOf(Buffer.from("#!/bin/sh\n".repeat(20)))).toBeUndefined();
    for (const length of [0, 4, 20, 63, 64, 64 + 3 * 56 - 1]) {
      expect(await elfOf(file.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
    const narrow = Buffer.from(file);
    narrow.writeUInt16LE(55, 54);
    expect(await elfOf(narrow)).toBeUndefined();
  });

  it("of a header alone needs nothing", async () => {
    const header = elfFile({}).subarray(0, 64);
    header.writeUInt16LE(0, 56);
    expect(await elfOf(header)).toEqual({ arch: "amd64", interpreter: undefined, needed: [] });
  });

  it("may have a table whose entries are longer", async () => {
    const name = Buffer.from("/lib/ld.so\0");
    const interpreter = { type: INTERP, offset: 0x1000, address: 0, size: name.length };
    const note = { type: NOTE, offset: 0, address: 0, size: 0 };
    expect(await elfOf(fileOf([note, interpreter], { 4096: name }, 64))).toMatchObject({
      interpreter: "/lib/ld.so",
    });
  });

  it("that claims to be huge is not read in vain", async () => {
    const size = 2 ** 40;
    const segments = [
      { type: INTERP, offset: 0x1000, address: 0, size },
      { type: DYNAMIC, offset: 0x1100, address: 0, size },
      { type: LOAD, offset: 0x1800, address: 0x8000, size },
    ];
    const contents = {
      4096: Buffer.from("/lib/ld.so\0"),
      4352: dynamicOf([NEEDED, 1], [STRTAB, 0x8000], [END, 0]),
      6144: Buffer.from("\0liba.so\0"),
    };
    const { elf, largest } = await parsed(fileOf(segments, contents));
    expect(elf).toMatchObject({ interpreter: "/lib/ld.so", needed: ["liba.so"] });
    expect(largest).toBe(1 << 20);
  });
});

describe("the names of libraries", () => {
  const strings = Buffer.from("\0liba.so\0");
  const contents = (at: number) => ({
    4096: dynamicOf([NEEDED, 1], [STRTAB, at]),
    6144: strings,
    6400: Buffer.from("\0wrong.so\0"),
  });
  const dynamic = { type: DYNAMIC, offset: 0x1000, address: 0, size: 32 };
  const load = { type: LOAD, offset: 0x1800, address: 0x8000, size: strings.length };
  const needed = async (segments: readonly Segment[], at = 0x8000) =>
    (await elfOf(fileOf(segments, contents(at))))?.needed;

  it("are where the segment is that is loaded there, and no other one", async () => {
    expect(await needed([dynamic, load])).toEqual(["liba.so"]);
    const note = { ...load, type: NOTE, offset: 0x1900 };
    expect(await needed([dynamic, note, load])).toEqual(["liba.so"]);
    const below = { ...load, offset: 0x1900, address: 0x8000 - strings.length };
    expect(await needed([dynamic, below, load])).toEqual(["liba.so"]);
    const above = { ...load, offset: 0x1900, address: 0x8001 };
    expect(await needed([dynamic, above, load])).toEqual(["liba.so"]);
  });

  it("may begin in the middle of what is loaded", async () => {
    expect(await needed([dynamic, { ...load, offset: 0x1700, address: 0x7f00, size: 0x200 }])).toEqual([
      "liba.so",
    ]);
  });

  it("are none where nothing is loaded there", async () => {
    expect(await needed([dynamic])).toEqual([]);
    expect(await needed([dynamic, load], 0x9000)).toEqual([]);
  });

  it("are as many as the table has room for", async () => {
    expect(await needed([{ ...dynamic, size: 31 }, load])).toEqual([]);
  });
});
