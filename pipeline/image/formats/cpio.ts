import { Readable } from "node:stream";
import { PipelineError } from "../../util/error.ts";
import type { Rootfs } from "../rootfs/normalise.ts";
import type { Content, Entry } from "../rootfs/tar-index.ts";

/** The file type in the mode of a cpio header, as in `<sys/stat.h>`. */
const TYPES: Record<Entry["type"], number> = {
  fifo: 0o010000,
  "character-device": 0o020000,
  directory: 0o040000,
  "block-device": 0o060000,
  file: 0o100000,
  symlink: 0o120000,
};

/** Headers and contents begin at multiples of this, bytes. */
const ALIGNMENT = 4;
/** GNU cpio and the kernel fill an archive up to a multiple of this, bytes. */
const BLOCK = 512;
/** The kernel ignores an entry whose name, with the NUL at its end, is longer than this, bytes. */
const LONGEST_NAME = 4096;
/** The largest number of a header's field: eight hex digits. */
const LARGEST = 0xffff_ffff;
const TRAILER = "TRAILER!!!";

interface Header {
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly mtime: number;
  readonly size: number;
  readonly device?: Entry["device"];
  readonly name: string;
}

/**
 * Writes a root file system as a cpio archive in the format `newc`, which the kernel unpacks into memory:
 * Documentation/driver-api/early-userspace/buffer-format.rst of Linux. The same root file system gives the same bytes: the
 * entries keep their order, and inode numbers count up from 1. Of hard links the last has the content, as in GNU cpio's
 * archives. The format has no extended attributes, so capabilities are lost.
 * @param onChunk called with every chunk of every file
 * @throws PipelineError (as an error of the stream) if a file is 4 GiB or larger, or a path is too long for the kernel
 */
export function toCpio(rootfs: Rootfs, onChunk: (entry: Entry, chunk: Buffer) => void = () => {}): Readable {
  return Readable.from(archive(rootfs, onChunk), { objectMode: false });
}

async function* archive(
  rootfs: Rootfs,
  onChunk: (entry: Entry, chunk: Buffer) => void,
): AsyncIterable<Buffer> {
  const links = linksOf(rootfs.entries);
  let written = 0;
  let ino = 0;
  function* padded(buffer: Buffer, to: number) {
    written += buffer.length;
    yield buffer;
    const gap = (to - (written % to)) % to;
    written += gap;
    if (gap > 0) yield Buffer.alloc(gap);
  }
  for (const entry of rootfs.entries) {
    const link = entry.content && links.get(entry.content)!;
    const target = entry.target === undefined ? undefined : Buffer.from(entry.target);
    const hasContent = link !== undefined && --link.left === 0;
    const size = target?.length ?? (hasContent ? rootfs.sizeOf(entry) : 0);
    if (link) link.ino ||= ++ino;
    const header = { ...entry, name: entry.path, size, ino: link?.ino ?? ++ino };
    const mode = TYPES[entry.type] | entry.mode;
    yield* padded(
      headerOf({ ...header, mode, links: link?.all ?? (entry.type === "directory" ? 2 : 1) }),
      ALIGNMENT,
    );
    if (target) yield* padded(target, ALIGNMENT);
    if (!hasContent) continue;
    for await (const chunk of rootfs.chunks(entry)) {
      onChunk(entry, chunk);
      written += chunk.length;
      yield chunk;
    }
    yield* padded(Buffer.alloc(0), ALIGNMENT);
  }
  const trailer = { ino: 0, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 };
  yield* padded(headerOf({ ...trailer, links: 1, name: TRAILER }), BLOCK);
}

/** For each file: how many hard links it has, how many of them are not written yet, and its inode number when it has one. */
function linksOf(entries: readonly Entry[]): Map<Content, { all: number; left: number; ino: number }> {
  const links = new Map<Content, { all: number; left: number; ino: number }>();
  for (const { content } of entries) {
    if (!content) continue;
    const all = (links.get(content)?.all ?? 0) + 1;
    links.set(content, { all, left: all, ino: 0 });
  }
  return links;
}

/** A header with the name after it. The file systems that the kernel unpacks to have no devices of their own to name. */
function headerOf({ ino, mode, uid, gid, links, mtime, size, device, name }: Header): Buffer {
  const path = Buffer.from(`${name}\0`);
  if (path.length > LONGEST_NAME) {
    throw new PipelineError(
      `${name}: the path has more than ${LONGEST_NAME - 1} bytes, and the kernel would skip it`,
      {
        fix: "give the file a shorter path",
      },
    );
  }
  if (size > LARGEST) {
    throw new PipelineError(`${name} has ${size} bytes, which is too much for an initramfs (4 GiB)`, {
      fix: "leave the file out of the image",
    });
  }
  const { major = 0, minor = 0 } = device ?? {};
  const fields = [ino, mode, uid, gid, links, mtime, size, 0, 0, major, minor, path.length, 0];
  const digits = fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0"));
  return Buffer.concat([Buffer.from(`070701${digits.join("")}`), path]);
}
