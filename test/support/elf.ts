/** A 64-bit ELF file with nothing in it but what a loader asks for. */
export function elfFile(options: {
  machine?: number;
  interpreter?: string;
  needed?: readonly string[];
}): Buffer {
  const { machine = 62, interpreter, needed = [] } = options;
  const strings = Buffer.from(`\0${needed.map((name) => `${name}\0`).join("")}`);
  const dynamic = Buffer.alloc((needed.length + 2) * 16);
  const [headers, count] = [64, 3];
  const interpreterAt = headers + count * 56;
  const interpreterBytes = Buffer.from(`${interpreter ?? ""}\0`);
  const stringsAt = interpreterAt + interpreterBytes.length;
  const dynamicAt = stringsAt + strings.length;
  // Loaded elsewhere than it lies in the file, as real ones are.
  const base = 0x10000;
  let name = 1;
  for (const [index, each] of needed.entries()) {
    dynamic.writeBigUInt64LE(1n, index * 16);
    dynamic.writeBigUInt64LE(BigInt(name), index * 16 + 8);
    name += each.length + 1;
  }
  dynamic.writeBigUInt64LE(5n, needed.length * 16);
  dynamic.writeBigUInt64LE(BigInt(base + stringsAt), needed.length * 16 + 8);

  const total = dynamicAt + dynamic.length;
  const header = Buffer.alloc(headers);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(BigInt(headers), 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(count, 56);
  const segment = (type: number, offset: number, size: number) => {
    const bytes = Buffer.alloc(56);
    bytes.writeUInt32LE(type, 0);
    bytes.writeBigUInt64LE(BigInt(offset), 8);
    bytes.writeBigUInt64LE(BigInt(base + offset), 16);
    bytes.writeBigUInt64LE(BigInt(size), 32);
    return bytes;
  };
  return Buffer.concat([
    header,
    segment(1, 0, total),
    segment(2, dynamicAt, dynamic.length),
    // A program header that means nothing where there is no interpreter.
    segment(interpreter === undefined ? 0 : 3, interpreterAt, interpreterBytes.length),
    interpreterBytes,
    strings,
    dynamic,
  ]);
}
