import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { PipelineError } from "../../util/error.ts";

/** Where a file's bytes lie in the tar; hard links to one file share one. */
export interface Content {
  readonly offset: number;
  readonly size: number;
}

type EntryType = "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo";

/** One path of a root file system, as the tar has it. A hard link is a `file` that shares its `content`. */
export interface Entry {
  /** Relative, without a leading `./` or a trailing `/`. */
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of a file. */
  readonly content?: Content;
  /** Where a symlink points. */
  readonly target?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  /** The raw `security.capability` attribute: the only one that mke2fs carries over. */
  readonly capability?: string;
}

/** The entries by path, in the tar's order. */
export type TarIndex = ReadonlyMap<string, Entry>;

const CAPABILITY = "SCHILY.xattr.security.capability";
/** A larger owner does not fit into a plain tar header (six octal digits). */
const LARGEST_ID = 0o777777;

/**
 * Reads a root file system's tar to its end and returns what is in it. The tar is not trusted.
 * @throws PipelineError on an entry that would leave the root, comes twice, or cannot be carried over
 */
export async function indexTar(tar: Readable, signal: AbortSignal): Promise<TarIndex> {
  const index = new Map<string, Entry>();
  const reader = extract();
  // The reader and the entry at hand both say what the pipeline is told as well.
  reader.on("error", () => {});
  reader.on("entry", (header, stream, next) => {
    stream.on("error", () => {});
    try {
      add(index, header);
    } catch (error) {
      stream.resume();
      return next(error as Error);
    }
    stream.on("end", () => next());
    stream.resume();
  });
  try {
    await pipeline(tar, reader as unknown as NodeJS.WritableStream, { signal });
  } catch (error) {
    if (error instanceof PipelineError || signal.aborted) throw error;
    throw new PipelineError(`the root file system's tar cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (index.size === 0) throw new PipelineError("the root file system's tar is empty");
  return index;
}

function add(
  index: Map<string, Entry>,
  header: Header & { byteOffset?: number; type?: string | null },
): void {
  const path = checkPath(header.name);
  if (path === "") return;
  if (path.includes("\ufffd")) throw hostile(path, "has a name that is not UTF-8");
  if (index.has(path)) throw hostile(path, "comes twice");
  checkParent(index, path);
  const pax = (header.pax ?? {}) as Record<string, string>;
  // An owner too large for the header's field is in a pax record, beside a field that means nothing.
  const uid = Number(pax.uid ?? header.uid ?? 0);
  const gid = Number(pax.gid ?? header.gid ?? 0);
  if (![uid, gid].every((id) => Number.isInteger(id) && id >= 0 && id <= LARGEST_ID)) {
    throw hostile(path, `has owner ${uid}:${gid}, which no image needs`);
  }
  const capability = pax[CAPABILITY];
  if (capability?.includes("\ufffd")) {
    throw hostile(path, "has a security.capability that cannot be carried over (its bytes are not UTF-8)");
  }
  const common = {
    path,
    mode: (header.mode ?? 0) & 0o7777,
    uid,
    gid,
    mtime: Math.trunc((header.mtime?.getTime() ?? 0) / 1000),
    ...(capability === undefined ? {} : { capability }),
  };
  switch (header.type) {
    case "file":
    case "contiguous-file":
      index.set(path, {
        ...common,
        type: "file",
        content: { offset: header.byteOffset ?? 0, size: header.size ?? 0 },
      });
      return;
    case "link":
      index.set(path, { ...linked(index, path, header.linkname ?? ""), path });
      return;
    case "symlink":
      index.set(path, { ...common, type: "symlink", target: header.linkname ?? "" });
      return;
    case "directory":
    case "fifo":
      index.set(path, { ...common, type: header.type });
      return;
    case "character-device":
    case "block-device":
      index.set(path, {
        ...common,
        type: header.type,
        device: { major: header.devmajor ?? 0, minor: header.devminor ?? 0 },
      });
      return;
    default:
      throw hostile(path, `is of a type (${header.type}) that a root file system does not have`);
  }
}

/** The path relative to the root. @throws PipelineError when it would leave the root */
function checkPath(name: string): string {
  if (name.includes("\0") || posix.isAbsolute(name) || name.split("/").includes("..")) {
    throw hostile(name, "would leave the root of the file system");
  }
  const path = posix.normalize(name).replace(/\/$/, "");
  return path === "." ? "" : path;
}

/** An entry below a link would be written to wherever the link points. */
function checkParent(index: TarIndex, path: string): void {
  const parent = posix.dirname(path);
  if (parent !== "." && index.get(parent)?.type !== "directory") {
    throw hostile(path, `comes before its directory, or below something that is none (${parent})`);
  }
}

function linked(index: TarIndex, path: string, linkname: string): Entry {
  const target = index.get(posix.normalize(linkname));
  if (target?.type !== "file") {
    throw hostile(path, `is a hard link to "${linkname}", which is no file that came before it`);
  }
  return target;
}

const hostile = (path: string, what: string) => new PipelineError(`tar entry "${path}" ${what}`);
