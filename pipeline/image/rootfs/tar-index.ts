import type { FileHandle } from "node:fs/promises";
import { posix } from "node:path";
import { PipelineError } from "../../util/error.ts";
import { type TarHeader, tarHeaders } from "./tar-headers.ts";

/** The position of a file's content in the tar. Hard links to one file share one object. */
export interface Content {
  readonly offset: number;
  readonly size: number;
}

type EntryType = "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo";

/**
 * One path of a root file system, as in the tar. A hard link is a `file` whose `content` is the same object as the other
 * file's.
 */
export interface Entry {
  /** Relative, without a leading `./` or a trailing `/`. */
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Only of a file. */
  readonly content?: Content;
  /** The target of a symlink. */
  readonly target?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  /** The raw `security.capability` attribute: the only extended attribute that mke2fs copies. */
  readonly capability?: string;
}

/** Entries by path, in the tar's order. */
export type TarIndex = ReadonlyMap<string, Entry>;

const CAPABILITY = "SCHILY.xattr.security.capability";
/** The largest user or group id that fits into a plain tar header (six octal digits). */
const LARGEST_ID = 0o777777;

/**
 * Reads the headers of a root file system's tar and returns its entries. The tar is not trusted.
 * @throws PipelineError if it is incomplete, or an entry is outside the root, is repeated, or cannot be written into an image
 */
export async function indexTar(tar: FileHandle, signal: AbortSignal): Promise<TarIndex> {
  const index = new Map<string, Entry>();
  try {
    for await (const header of tarHeaders(tar)) {
      signal.throwIfAborted();
      add(index, header);
    }
  } catch (error) {
    if (error instanceof PipelineError || signal.aborted) throw error;
    throw new PipelineError(`the root file system's tar cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (index.size === 0) throw new PipelineError("the root file system's tar is empty");
  return index;
}

function add(index: Map<string, Entry>, header: TarHeader): void {
  const path = checkPath(header.name);
  if (path === "") return;
  if (path.includes("\ufffd")) throw hostile(path, "has a name that is not UTF-8");
  if (index.has(path)) throw hostile(path, "is in the tar twice");
  checkParent(index, path);
  // An owner that is too large for the header's field is in a record; the field is then not valid.
  const [uid, gid] = (["uid", "gid"] as const).map((id) => Number(header.records.get(id) ?? header[id])) as [
    number,
    number,
  ];
  if (![uid, gid].every((id) => Number.isInteger(id) && id >= 0 && id <= LARGEST_ID)) {
    throw hostile(path, `has owner ${uid}:${gid}, which is not a valid owner (0 to ${LARGEST_ID})`);
  }
  const capability = header.records.get(CAPABILITY);
  if (capability?.includes("\ufffd")) {
    throw hostile(
      path,
      "has a security.capability that cannot be copied into an image (its bytes are not UTF-8)",
    );
  }
  const { size, offset, devmajor: major, devminor: minor } = header;
  const common = {
    path,
    mode: header.mode & 0o7777,
    uid,
    gid,
    mtime: header.mtime,
    ...(capability === undefined ? {} : { capability }),
  };
  switch (header.type) {
    case "0":
      index.set(path, { ...common, type: "file", content: { offset, size } });
      return;
    case "1":
      index.set(path, { ...linked(index, path, header.linkname), path });
      return;
    case "2":
      index.set(path, { ...common, type: "symlink", target: header.linkname });
      return;
    case "3":
      index.set(path, { ...common, type: "character-device", device: { major, minor } });
      return;
    case "4":
      index.set(path, { ...common, type: "block-device", device: { major, minor } });
      return;
    case "5":
      index.set(path, { ...common, type: "directory" });
      return;
    case "6":
      index.set(path, { ...common, type: "fifo" });
      return;
    default:
      throw hostile(path, `has a type (${header.type}) that is not allowed in a root file system`);
  }
}

/** The path relative to the root. @throws PipelineError if it is outside the root */
function checkPath(name: string): string {
  if (name.includes("\0") || posix.isAbsolute(name) || name.split("/").includes("..")) {
    throw hostile(name, "is outside the root of the file system");
  }
  const path = posix.normalize(name).replace(/\/$/, "");
  return path === "." ? "" : path;
}

/** Refuses an entry below a symlink, because it would be written to the symlink's target. */
function checkParent(index: TarIndex, path: string): void {
  const parent = posix.dirname(path);
  if (parent !== "." && index.get(parent)?.type !== "directory") {
    throw hostile(path, `comes before its directory, or is below a path that is not a directory (${parent})`);
  }
}

function linked(index: TarIndex, path: string, linkname: string): Entry {
  const target = index.get(posix.normalize(linkname));
  if (target?.type !== "file") {
    throw hostile(path, `is a hard link to "${linkname}", which is not an earlier file of the tar`);
  }
  return target;
}

const hostile = (path: string, what: string) => new PipelineError(`tar entry "${path}" ${what}`);
