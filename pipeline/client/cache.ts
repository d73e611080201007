import { rename, rm, stat, statfs, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { isCompressed } from "../schema/names.ts";
import { cannotWrite, entriesIn, makeDirectory } from "../util/directory.ts";
import { PipelineError } from "../util/error.ts";
import { SHA256, sha256File } from "../util/hash.ts";
import { isLocked, removeStale, withLock } from "../util/lock.ts";
import { isAlive, isRunning } from "../util/process.ts";
import { type Run, unwatched } from "../util/progress.ts";
import {
  type Entry,
  entryOf,
  existing,
  fileSha256Of,
  readEntry,
  stampOf,
  writeEntry,
} from "./cache-entry.ts";
import type { FrameTable } from "./frames/table.ts";
import { readTable, tableFileOf, writeTable } from "./frames/table-file.ts";
import { ImageError } from "./image-error.ts";

/** A file to be cached. */
export interface Wanted {
  /** The digest of the file as downloaded. */
  readonly sha256: string;
  /** The name of the asset. A compressed one is stored unpacked. */
  readonly asset: string;
  /** Null for a kernel, and for a file alone. */
  readonly flavor: string | null;
  /** What the file in the cache must be: its digest, and its length in bytes. @default anything */
  readonly image?: { readonly sha256: string; readonly size: number } | undefined;
}

/** What is known of a file that was made for the cache. */
export interface Made {
  /** The size of the file as downloaded, bytes. */
  readonly wireSize: number;
  /** The sha256 of what was written, if it was hashed on the way. @default the file is read and hashed */
  readonly imageSha256?: string | undefined;
  /** The table of the asset's frames. @default none: other images are not put together from this one */
  readonly table?: FrameTable | undefined;
}

/** A file of the cache. */
export interface Cached extends Omit<Wanted, "image"> {
  /** The size of the file as downloaded, bytes. */
  readonly wire_size: number;
  /** The absolute path of the file. */
  readonly path: string;
  /** The apparent size, bytes. */
  readonly size: number;
  /** The space that it takes on disk, bytes. */
  readonly onDisk: number;
  /** The time of its last use. */
  readonly usedAt: Date;
}

/** The cache of the user: `SMOLVM_CACHE`, or else `~/.smolvm/images`. */
export const defaultCacheDirectory = (): string =>
  process.env.SMOLVM_CACHE || join(homedir(), ".smolvm", "images");

const ADVICE = "choose another directory with --cache or SMOLVM_CACHE";
const LOCK = { advice: ADVICE, waiting: "another process is downloading the same file: waiting for it" };

/** A cache of downloaded files, by the sha256 of the asset. Compressed assets are stored unpacked. */
export class Cache {
  /** Its absolute path. */
  readonly directory: string;

  constructor(directory = defaultCacheDirectory()) {
    this.directory = join(directory, "sha256");
  }

  /**
   * The path of a file; undefined if it is not in the cache, or has changed, or is not what is wanted. If only its times
   * have changed (as in a copy of a cache), it is hashed again.
   * @param wanted what the file must be. @default anything that was downloaded with this sha256
   * @throws PipelineError if the cache cannot be read
   */
  async find(
    sha256: string,
    run: Run = unwatched(),
    wanted?: Pick<Wanted, "asset" | "image">,
  ): Promise<string | undefined> {
    const path = join(this.directory, sha256);
    const known = await entryOf(path, run);
    if (!known || (wanted && !(await isWanted(path, known, wanted)))) return undefined;
    // The mtime of the entry is the time of the last use. A read-only cache can be used, so a failure is ignored.
    const now = new Date();
    await utimes(`${path}.json`, now, now).catch(() => {});
    return path;
  }

  /**
   * The path of a file. If it is not in the cache, `make` must write it to the given path. A file lock ensures that only
   * one process makes it.
   * @throws ImageError (`download`) if what `make` has written is not `wanted.image`
   * @throws PipelineError if the cache cannot be written
   */
  async ensure(wanted: Wanted, run: Run, make: (partial: string) => Promise<Made>): Promise<string> {
    const there = await this.find(wanted.sha256, run, wanted);
    if (there) return there;
    await makeDirectory(this.directory, ADVICE);
    const { sha256, asset, flavor } = wanted;
    const about = { sha256, asset, flavor };
    const path = join(this.directory, about.sha256);
    return await withLock(
      lockOf(path),
      run,
      async () => {
        const made = await this.find(wanted.sha256, run, wanted);
        if (made) return made;
        const partial = `${path}.${process.pid}.partial`;
        try {
          const { wireSize, imageSha256, table } = await make(partial);
          const known = {
            ...{ schema_version: 2 as const, ...about, wire_size: wireSize },
            file_sha256: await verifiedSha256(partial, wanted, imageSha256, run),
          } as const;
          if (table) await writeTable(path, table);
          // The entry is written before the file is renamed: if this process is killed in between, the hash in the entry
          // still verifies the file.
          await writeEntry(path, { ...known, stamp: (await stampOf(partial))! });
          await rename(partial, path);
          await writeEntry(path, { ...known, stamp: (await stampOf(path))! });
          return path;
        } catch (error) {
          throw cannotWrite(this.directory, error, `free some space, or ${ADVICE}`);
        } finally {
          await rm(partial, { force: true });
        }
      },
      LOCK,
    );
  }

  /**
   * Makes the cache's directory and checks its free space. @throws PipelineError if less than `bytes` is free, or it
   * cannot be made
   */
  async checkRoom(bytes: number): Promise<void> {
    await makeDirectory(this.directory, ADVICE);
    const { bavail, bsize } = await statfs(this.directory);
    if (bavail * bsize >= bytes) return;
    throw new PipelineError(
      `the disk of ${this.directory} has ${mb(bavail * bsize)} free, but about ${mb(bytes)} are needed`,
      {
        code: "disk-full",
        fix: "free some space (`smolvm prune`), or choose another directory with --cache",
      },
    );
  }

  /** All valid files, most recently used first. @throws PipelineError if the cache cannot be read */
  async list(run: Run = unwatched()): Promise<Cached[]> {
    const cached: Cached[] = [];
    for (const name of (await this.names()).filter((each) => SHA256.test(each))) {
      const path = join(this.directory, name);
      const known = await entryOf(path, run);
      const [file, record] = await Promise.all([path, `${path}.json`].map((each) => existing(each)));
      if (!known || !file || !record) continue;
      const { sha256, asset, flavor, wire_size } = known;
      const sizes = { size: file.size, onDisk: file.blocks * 512 };
      cached.push({ sha256, asset, flavor, wire_size, path, ...sizes, usedAt: record.mtime });
    }
    return cached.sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
  }

  /** Paths of this cache's files that are useless: left by ended processes, or changed since they were verified. */
  async leftovers(run: Run = unwatched()): Promise<string[]> {
    const found: string[] = [];
    for (const name of await this.names()) {
      const path = join(this.directory, name);
      if (await isLeftover(path, name, run)) found.push(path);
    }
    return found;
  }

  /** Removes a file, its entry and its table. @throws PipelineError if they cannot be removed */
  async remove({ path }: Pick<Cached, "path">): Promise<void> {
    try {
      await rm(`${path}.json`, { force: true });
      await rm(tableFileOf(path), { force: true });
      await rm(path, { force: true });
    } catch (error) {
      throw cannotWrite(this.directory, error, ADVICE);
    }
  }

  /** Removes a path that `leftovers` returned, if it is still useless. @throws PipelineError if it cannot be removed */
  async removeLeftover(path: string, run: Run = unwatched()): Promise<void> {
    const file = path.replace(/\.(json|frames)$/, "");
    if (path.endsWith(".lock")) return await removeStale(path, ADVICE);
    if (!SHA256.test(basename(file))) return await rm(path, { force: true });
    await withLock(lockOf(file), run, () => this.#removeUseless(file, run), LOCK);
  }

  async #removeUseless(path: string, run: Run): Promise<void> {
    if (!(await entryOf(path, run))) await this.remove({ path });
  }

  /** The paths of the images that have a table of their frames, sorted. @throws PipelineError if the cache cannot be read */
  async withTables(): Promise<string[]> {
    const names = new Set(await this.names());
    return [...names]
      .filter((name) => SHA256.test(name) && names.has(tableFileOf(name)))
      .map((name) => join(this.directory, name));
  }

  /** The names of all files in its directory, sorted. @throws PipelineError if the cache cannot be read */
  async names(): Promise<string[]> {
    return (await entriesIn(this.directory, ADVICE)).map(({ name }) => name).sort();
  }
}

/** Whether a file of the cache is what is wanted: as compressed as it, and the same bytes. */
async function isWanted(
  path: string,
  known: Entry,
  { asset, image }: Pick<Wanted, "asset" | "image">,
): Promise<boolean> {
  if (isCompressed(known.asset) !== isCompressed(asset)) return false;
  if (!image) return true;
  const sha256 = fileSha256Of(known);
  return (await stat(path)).size === image.size && (sha256 === undefined || sha256 === image.sha256);
}

/** The sha256 of a file, which is `known` or found out. @throws ImageError (`download`) if the file is not what is wanted */
async function verifiedSha256(
  path: string,
  { asset, image }: Wanted,
  known: string | undefined,
  run: Run,
): Promise<string> {
  const { size } = await stat(path);
  if (image && size !== image.size) throw otherImage(asset, `${size} bytes`, `${image.size}`);
  const sha256 = known ?? (await sha256File(path, run.signal));
  if (image && sha256 !== image.sha256) throw otherImage(asset, `sha256 ${sha256}`, image.sha256);
  return sha256;
}

const otherImage = (asset: string, is: string, expected: string) =>
  new ImageError(
    "download",
    new PipelineError(
      `${asset} has the expected sha256, but unpacked it is not what the manifest says (${is}, expected ${expected})`,
      {
        code: "digest-mismatch",
        fix: "use the manifest of another release, and report this one",
      },
    ),
  );

const lockOf = (path: string) => `${path}.lock`;

/** Names of temporary files: the process that makes a file, an entry or a file lock puts its pid into the name. */
const PARTIAL = /^([^.]+)(?:\.json|\.frames|\.lock)?(?:\.\d+)?\.(\d+)\.(?:partial|stale)$/;
const BREAK = /^([^.]+)\.lock\.break\.\d+\.(\d+)_(\d+|-)$/;
/** Names of a file, its entry, its table and its file lock. */
const FILE = /^([^.]+)(\.json|\.frames|\.lock)?$/;

/** Whether a path is a useless file of this cache. Files with other names, and files without an entry, are never touched. */
async function isLeftover(path: string, name: string, run: Run): Promise<boolean> {
  const [partial, breaking, own] = [PARTIAL, BREAK, FILE].map((pattern) => pattern.exec(name));
  const sha256 = (partial ?? breaking ?? own)?.[1];
  if (sha256 === undefined || !SHA256.test(sha256)) return false;
  if (partial) return !isAlive(Number(partial[2]));
  if (breaking) return !isRunning(`${breaking[2]} ${breaking[3]}`);
  const end = own?.[2];
  const file = join(path, "..", sha256);
  // A file that is being made has a file lock.
  if (await isLocked(lockOf(file))) return false;
  if (end === ".lock") return true;
  // The entry is judged together with its file.
  if ((end === ".json" || end === ".frames") && (await existing(file))) return false;
  if (end === ".frames") return (await readTable(file)) !== undefined;
  return (await readEntry(file)) !== undefined && (await entryOf(file, run)) === undefined;
}

const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
