/** Reads `length` bytes of a file at `offset`; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/** What an ELF file requires of the system that loads it. */
export interface Elf {
  /** `amd64`, `arm64`, or `machine <number>` (the ELF specification's e_machine). */
  readonly arch: string;
  /** The path of its dynamic loader; undefined for a library or a static program. */
  readonly interpreter: string | undefined;
  /** The names of the libraries that it needs. */
  readonly needed: readonly string[];
}

const MACHINES: Readonly<Record<number, string>> = { 62: "amd64", 183: "arm64" };
const [PT_LOAD, PT_DYNAMIC, PT_INTERP] = [1, 2, 3];
const [DT_NEEDED, DT_STRTAB] = [1, 5];
/** At most this much of the dynamic section is read, bytes. No linker writes a larger one. */
const LARGEST = 1 << 20;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

export const isElf = (head: Buffer): boolean => head.length >= 4 && head.readUInt32BE(0) === 0x7f454c46;

/** Reads the ELF headers of a file. Returns undefined if it is not an ELF file, or a damaged one. */
export async function parseElf(readAt: ReadAt): Promise<Elf | undefined> {
  const header = await readAt(0, 64);
  if (header.length < 64 || !isElf(header)) return undefined;
  const machine = header.readUInt16LE(18);
  const arch = MACHINES[machine] ?? `machine ${machine}`;
  // amd64 and arm64 are 64-bit and little-endian. Of other files only the arch is returned.
  if (header[4] !== 2 || header[5] !== 1) return { arch, interpreter: undefined, needed: [] };

  const [entrySize, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
  const table = await readAt(Number(header.readBigUInt64LE(32)), entrySize * count);
  if (entrySize < 56 || table.length < entrySize * count) return undefined;
  const segments = Array.from({ length: count }, (_, index): Segment => {
    const at = index * entrySize;
    return {
      type: table.readUInt32LE(at),
      offset: Number(table.readBigUInt64LE(at + 8)),
      address: Number(table.readBigUInt64LE(at + 16)),
      size: Number(table.readBigUInt64LE(at + 32)),
    };
  });
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  return {
    arch,
    interpreter: interpreter && text(await readAt(interpreter.offset, Math.min(interpreter.size, 4096))),
    needed: await neededBy(segments, readAt),
  };
}

async function neededBy(segments: readonly Segment[], readAt: ReadAt): Promise<string[]> {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return [];
  const table = await readAt(dynamic.offset, Math.min(dynamic.size, LARGEST));
  const names: number[] = [];
  let strings = 0;
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const [tag, value] = [Number(table.readBigInt64LE(at)), Number(table.readBigUInt64LE(at + 8))];
    if (tag === DT_NEEDED) names.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  const holder = segments.find(
    ({ type, address, size }) => type === PT_LOAD && strings >= address && strings < address + size,
  );
  if (!holder) return [];
  const base = strings - holder.address + holder.offset;
  return await Promise.all(names.map(async (name) => text(await readAt(base + name, 256))));
}

const text = (bytes: Buffer) => bytes.toString("latin1").split("\0")[0]!;
