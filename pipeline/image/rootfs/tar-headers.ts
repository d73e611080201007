import type { FileHandle } from "node:fs/promises";

/** Reads the headers of a tar file (POSIX ustar and pax, and GNU), and skips the files' content without reading it. */

/** A member of a tar, as its headers say. Nothing in it is checked except that it can be read. */
export interface TarHeader {
  readonly name: string;
  /** The type flag: `0` is a file, `5` a directory. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the content, bytes. */
  readonly size: number;
  /** Where the content begins in the tar, bytes. */
  readonly offset: number;
  /** Seconds since 1970, a whole number. */
  readonly mtime: number;
  /** The target of a hard link or a symlink; empty for others. */
  readonly linkname: string;
  readonly devmajor: number;
  readonly devminor: number;
  /** The extended records that apply to it, by keyword. */
  readonly records: ReadonlyMap<string, string>;
}

const BLOCK = 512;
/** How much is read at once, bytes: the headers of small files lie close together. */
const WINDOW = 1 << 16;
/** A larger extended header is refused, bytes. */
const LARGEST_EXTENDED = 1 << 20;
/** The types of files. `\0` is that of tars before POSIX. */
const FILES = new Set(["0", "\0", "7"]);
/** Links, devices, directories and pipes. Readers differ in whether they skip content there. */
const WITHOUT_CONTENT = new Set(["1", "2", "3", "4", "5", "6"]);
const EXTENDED = new Set(["x", "g", "L", "K"]);

/** @throws Error saying what is wrong with the tar */
export async function* tarHeaders(file: FileHandle): AsyncGenerator<TarHeader> {
  const { size: end } = await file.stat();
  const window = new Window(file);
  let global: ReadonlyMap<string, string> = new Map();
  let records = global;
  let [longName, longLink]: (string | undefined)[] = [];
  for (let at = 0; ; ) {
    const block = await window.read(at, BLOCK);
    if (block.length < BLOCK) throw new Error(`it ends at ${at} bytes, without the mark of its end`);
    if (block.every((byte) => byte === 0)) return await checkRest(window, at, end);
    const header = parse(block);
    const offset = at + BLOCK;
    const size = EXTENDED.has(header.type) ? header.size : sizeOf(header, records);
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (at > end) throw new Error(`it ends inside of "${longName ?? header.name}"`);
    if (EXTENDED.has(header.type)) {
      if (size > LARGEST_EXTENDED) throw new Error(`an extended header has ${size} bytes`);
      const content = await window.read(offset, size);
      if (header.type === "L") longName = text(content);
      else if (header.type === "K") longLink = text(content);
      else if (header.type === "x") records = merged(global, content);
      else records = global = merged(global, content);
      continue;
    }
    const name = records.get("path") ?? longName ?? header.name;
    if (size > 0 && WITHOUT_CONTENT.has(header.type)) {
      throw new Error(`"${name}" has content, but is of type ${header.type}`);
    }
    yield {
      ...header,
      ...{ name, size, offset, records },
      type: FILES.has(header.type) ? (name.endsWith("/") ? "5" : "0") : header.type,
      linkname: records.get("linkpath") ?? longLink ?? header.linkname,
    };
    [longName, longLink, records] = [undefined, undefined, global];
  }
}

/** After the mark of its end, a tar has nothing but zeros. Another tar there would not be seen. */
async function checkRest(window: Window, from: number, end: number): Promise<void> {
  for (let at = from; at < end; at += WINDOW) {
    const rest = await window.read(at, Math.min(WINDOW, end - at));
    if (rest.some((byte) => byte !== 0))
      throw new Error(`it has more after the mark of its end at ${from} bytes`);
  }
}

function sizeOf(header: ReturnType<typeof parse>, records: ReadonlyMap<string, string>): number {
  const recorded = records.get("size");
  if (recorded === undefined) return header.size;
  if (!/^\d{1,15}$/.test(recorded)) throw new Error(`"${header.name}" has the size "${recorded}"`);
  return Number(recorded);
}

/** The fields of a header block: POSIX.1-1988 (ustar), with GNU's form of large numbers. */
function parse(block: Buffer) {
  // The checksum counts its own field as spaces.
  let sum = 8 * 32;
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += block[at]!;
  if (sum !== number(block, 148, 8)) throw new Error("a header's checksum is wrong");
  const magic = block.toString("latin1", 257, 265);
  if (magic !== "ustar\x0000" && magic !== "ustar  \0") throw new Error("a header is of an unknown format");
  const prefix = magic === "ustar\x0000" ? text(block.subarray(345, 500)) : "";
  const name = text(block.subarray(0, 100));
  const size = number(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error(`"${name}" has the size ${size}`);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[156]!),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size,
    mtime: number(block, 136, 12),
    linkname: text(block.subarray(157, 257)),
    devmajor: number(block, 329, 8),
    devminor: number(block, 337, 8),
  };
}

/** A number: octal digits between spaces or zero bytes, or GNU's base 256, whose first bit is set. */
function number(block: Buffer, at: number, length: number): number {
  const first = block[at]!;
  if (first & 0x80) {
    // Two's complement of all bits but the first.
    let value = first & 0x40 ? (first & 0x7f) - 0x80 : first & 0x3f;
    for (let index = 1; index < length; index++) value = value * 256 + block[at + index]!;
    return value;
  }
  const digits = /^[ \0]*([0-7]*)[ \0]*/.exec(block.toString("latin1", at, at + length))!;
  if (digits[0].length < length) throw new Error("a header has a number that cannot be read");
  return digits[1] === "" ? 0 : Number.parseInt(digits[1]!, 8);
}

/** The text before the first zero byte. */
function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

/** A record without a value takes back an earlier one. */
const merged = (global: ReadonlyMap<string, string>, content: Buffer): ReadonlyMap<string, string> =>
  new Map([...global, ...parseRecords(content)].filter(([, value]) => value !== ""));

/** The records of an extended header: `<length> <keyword>=<value>\n`, where the length is that of the whole record. */
function* parseRecords(content: Buffer): Generator<[string, string]> {
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(" ", at);
    const digits = content.toString("latin1", at, Math.max(at, space));
    const length = /^\d{1,9}$/.test(digits) ? Number(digits) : 0;
    const record = content.subarray(space + 1, Math.max(at + length - 1, 0));
    const equals = record.indexOf("=");
    if (equals < 1 || content[at + length - 1] !== 0x0a) {
      throw new Error("an extended header cannot be read");
    }
    yield [record.toString("utf8", 0, equals), record.toString("utf8", equals + 1)];
    at += length;
  }
}

/** Reads a file in pieces, of which the last is kept. */
class Window {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.allocUnsafe(WINDOW);
  #from = 0;
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The bytes from `at`, fewer at the file's end; valid until the next read. */
  async read(at: number, length: number): Promise<Buffer> {
    if (length > WINDOW) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    }
    if (at < this.#from || at + length > this.#from + this.#length) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, WINDOW, at);
      [this.#from, this.#length] = [at, bytesRead];
    }
    const start = at - this.#from;
    return this.#buffer.subarray(start, Math.min(start + length, this.#length));
  }
}
