import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";
import { readerOf } from "./binaries.ts";
import type { ReadAt } from "./elf.ts";
import { isScrubbed, REWRITTEN } from "./scrub.ts";
import type { Content, Entry, TarIndex } from "./tar-index.ts";

/** A root file system that will be written into an image: its entries, in order, and access to their content. */
export interface Rootfs {
  /** Parents before children; the base's paths first. */
  readonly entries: readonly Entry[];
  /** The text of a file; undefined if `entries` has no such file. */
  read(path: string): Promise<string | undefined>;
  /** Reads parts of a file's content. */
  readAt(entry: Entry): ReadAt;
  /** The content of an entry, in chunks. */
  chunks(entry: Entry): AsyncIterable<Buffer>;
  /** The size of an entry's content, bytes. */
  sizeOf(entry: Entry): number;
}

export interface NormaliseOptions {
  /** The base's paths in the base's own order; empty for a base. */
  readonly baseOrder: readonly string[];
  /** Seconds since 1970. Entries that are newer get this time. */
  readonly epoch: number;
  /** Accounts whose password is kept. @default none */
  readonly passwords?: readonly string[];
}

/** How much is read at once, bytes. */
const CHUNK = 1 << 20;
/** Files of at most this size are read together, bytes. */
const SMALL = 1 << 16;
/** How much is read for small files at once, bytes. */
const WINDOW = 1 << 18;

/**
 * Orders and scrubs the entries of a spooled tar, and limits their times to `epoch`. A preset has its base's paths
 * first, in the base's order, and then its own, sorted. Images of one flavor then have long runs of equal blocks.
 */
export async function normalise(
  index: TarIndex,
  spool: FileHandle,
  options: NormaliseOptions,
): Promise<Rootfs> {
  const entries = new Map(
    order(index, options.baseOrder).map((entry) => [entry.path, dated(entry, options.epoch)]),
  );
  const rewritten = new Map<Content, string>();
  for (const [path, rewrite] of REWRITTEN) {
    const entry = entries.get(path);
    if (entry?.type !== "file") continue;
    const before = await readAll(spool, entry.content!);
    // A copy, so that other hard links to the same file keep the old content.
    const content = { ...entry.content! };
    entries.set(path, { ...entry, content });
    rewritten.set(content, rewrite(before, { epoch: options.epoch, passwords: new Set(options.passwords) }));
  }
  const text = (content: Content) => rewritten.get(content);
  const readInOrder = readerInOrder(spool);

  return {
    entries: [...entries.values()],
    async read(path) {
      const content = entries.get(path)?.content;
      return content && (text(content) ?? (await readAll(spool, content)));
    },
    readAt({ content }) {
      const replaced = content && text(content);
      if (replaced === undefined) return readerOf(spool, content!);
      return async (at, length) => Buffer.from(replaced).subarray(at, at + length);
    },
    async *chunks({ content }) {
      if (!content) return;
      const replaced = text(content);
      if (replaced === undefined) yield* readInOrder(content);
      else yield Buffer.from(replaced);
    },
    sizeOf({ content }) {
      if (!content) return 0;
      const replaced = text(content);
      return replaced === undefined ? content.size : Buffer.byteLength(replaced);
    },
  };
}

/**
 * The entries that remain after scrubbing: those in `baseOrder` first, in that order, then the others, sorted, directories
 * before files. What a preset adds to a directory then changes no block among the contents of files.
 */
export function order(index: TarIndex, baseOrder: readonly string[]): Entry[] {
  const left = new Map([...index].filter(([path, entry]) => !isScrubbed(path, entry.type)));
  const first: Entry[] = [];
  for (const path of baseOrder) {
    const entry = left.get(path);
    if (entry) first.push(entry);
    left.delete(path);
  }
  // `parentsFirst` then puts each entry after its parent.
  const sorted = [...left.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const [directories, files] = [true, false].map((wanted) =>
    sorted.filter(({ type }) => (type === "directory") === wanted),
  );
  const rest = [...directories!, ...files!];
  return parentsFirst([...first, ...rest]);
}

/** Puts each directory before its entries. Only a preset that replaces a directory of its base changes the order. */
function parentsFirst(entries: readonly Entry[]): Entry[] {
  const placed = new Set<string>();
  const late = new Map(entries.map((entry) => [entry.path, entry]));
  const result: Entry[] = [];
  const place = (entry: Entry) => {
    if (placed.has(entry.path)) return;
    const parent = late.get(entry.path.slice(0, Math.max(0, entry.path.lastIndexOf("/"))));
    if (parent) place(parent);
    placed.add(entry.path);
    result.push(entry);
  };
  for (const entry of entries) place(entry);
  return result;
}

const dated = (entry: Entry, epoch: number): Entry => ({ ...entry, mtime: Math.min(entry.mtime, epoch) });

/** Writes a root file system as a tar stream. `onChunk` is called with every chunk of every file. */
export function toTar(rootfs: Rootfs, onChunk: (entry: Entry, chunk: Buffer) => void = () => {}): Readable {
  const archive = pack();
  const output = new PassThrough({ highWaterMark: CHUNK });
  (archive as unknown as Readable).on("error", (error) => output.destroy(error)).pipe(output);
  writeEntries(archive, rootfs, onChunk).catch((error: Error) => output.destroy(error));
  output.once("close", () => archive.destroy(new Error("closed")));
  return output;
}

async function writeEntries(
  archive: Pack,
  rootfs: Rootfs,
  onChunk: (entry: Entry, chunk: Buffer) => void,
): Promise<void> {
  const written = new Map<Content, string>();
  for (const entry of rootfs.entries) {
    const first = entry.content && written.get(entry.content);
    if (entry.type !== "file" || first !== undefined) {
      await writeEmpty(archive, entry, first);
      continue;
    }
    written.set(entry.content!, entry.path);
    const options = { ...header(entry), type: "file", size: rootfs.sizeOf(entry) } as const;
    const sink = archive.entry(options) as unknown as Writable;
    const done = finished(sink);
    // Handled below by `await`; without this, a reader that closes the stream early would end the process.
    done.catch(() => {});
    for await (const chunk of rootfs.chunks(entry)) {
      onChunk(entry, chunk);
      if (!sink.write(chunk)) await Promise.race([once(sink, "drain"), done]);
    }
    sink.end();
    await done;
  }
  archive.finalize();
}

/** Writes an entry without content: a directory, a link, a device, or a hard link to a file that is already written. */
async function writeEmpty(archive: Pack, entry: Entry, first: string | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    archive.entry(
      {
        ...header(entry),
        type: first === undefined ? entry.type : "link",
        size: 0,
        ...(first !== undefined ? { linkname: first } : {}),
        ...(entry.target !== undefined ? { linkname: entry.target } : {}),
        ...(entry.device ? { devmajor: entry.device.major, devminor: entry.device.minor } : {}),
      },
      (error) => (error ? reject(error) : resolve()),
    );
  });
}

function header(entry: Entry) {
  return {
    name: entry.path,
    // With the bit of a regular file, because tar-stream treats a mode of 0 as missing. It writes only the permission bits.
    mode: entry.mode | 0o100000,
    uid: entry.uid,
    gid: entry.gid,
    mtime: new Date(entry.mtime * 1000),
    ...(entry.capability ? { pax: { "SCHILY.xattr.security.capability": entry.capability } } : {}),
  };
}

/** Reads content whose order is much like that of the spool: small files that lie together there are read at once. */
function readerInOrder(spool: FileHandle): (content: Content) => AsyncIterable<Buffer> {
  let last = { from: 0, bytes: Buffer.alloc(0) };
  return async function* ({ offset, size }) {
    if (size === 0) return;
    if (size > SMALL) return yield* readChunks(spool, { offset, size });
    let { from, bytes } = last;
    if (offset < from || offset + size > from + bytes.length) {
      const { buffer, bytesRead } = await spool.read(Buffer.allocUnsafe(WINDOW), 0, WINDOW, offset);
      [from, bytes] = [offset, buffer.subarray(0, bytesRead)];
      last = { from, bytes };
    }
    // A copy, so that a small file does not keep what was read with it.
    const content = Buffer.from(bytes.subarray(offset - from, offset - from + size));
    if (content.length < size) throw cutSpool();
    yield content;
  };
}

const cutSpool = () => new Error("the spooled tar is shorter than its index says");

async function* readChunks(spool: FileHandle, { offset, size }: Content): AsyncIterable<Buffer> {
  for (let done = 0; done < size; ) {
    const length = Math.min(CHUNK, size - done);
    const { buffer, bytesRead } = await spool.read(Buffer.allocUnsafe(length), 0, length, offset + done);
    if (bytesRead === 0) throw cutSpool();
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

async function readAll(spool: FileHandle, content: Content): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of readChunks(spool, content)) parts.push(chunk);
  return Buffer.concat(parts).toString("utf8");
}
