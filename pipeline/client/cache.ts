import { rename, rm, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import { cannotWrite, entriesIn, makeDirectory } from "../util/directory.ts";
import { isFileError, PipelineError } from "../util/error.ts";
import { SHA256, sha256File } from "../util/hash.ts";
import { isLocked, removeStale, withLock } from "../util/lock.ts";
import { isAlive, isRunning } from "../util/process.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { writeWhole } from "../util/whole-file.ts";

const entry = {
  /** Of the bytes on the wire: the entry's name. */
  sha256: z.string(),
  /** The asset that it came as. */
  asset: z.string(),
  flavor: z.string().nullable(),
  /** Length on the wire, bytes. */
  wire_size: z.int().nonnegative(),
  /** Size and times, as the system had them: whoever writes to the file changes one of them. */
  stamp: z.string(),
};

/** Beside each file of the cache: what it is, and how it was when it was right. */
const Entry = z.discriminatedUnion("schema_version", [
  // Of what lay unpacked, the first version did not know the hash.
  z.strictObject({ schema_version: z.literal(1), ...entry }),
  z.strictObject({
    schema_version: z.literal(2),
    ...entry,
    /** Of the file as it lies here: what was compressed lies here unpacked. */
    file_sha256: z.string(),
  }),
]);
type Entry = z.infer<typeof Entry>;

/** A file of the cache, as a listing has it. */
export interface Cached extends Pick<Entry, "sha256" | "asset" | "flavor" | "wire_size"> {
  readonly path: string;
  /** Apparent size, and what it takes on disk, bytes. */
  readonly size: number;
  readonly onDisk: number;
  /** When it was last asked for. */
  readonly usedAt: Date;
}

export const defaultCacheDirectory = (): string =>
  process.env.SMOLVM_CACHE || join(homedir(), ".smolvm", "images");

const ADVICE = "choose another place with --cache or SMOLVM_CACHE";
const LOCK = { advice: ADVICE, waiting: "another process fetches the same file: waiting for it" };

/** Files by the sha256 of their bytes on the wire, ready to use: what was compressed lies here unpacked. */
export class Cache {
  readonly directory: string;

  constructor(directory = defaultCacheDirectory()) {
    this.directory = join(directory, "sha256");
  }

  /**
   * Where a file is; undefined where it is not, or not as it was. A copy of a cache has other times: such a file is
   * hashed again. @throws PipelineError when the cache cannot be read
   */
  async find(sha256: string, run: Run = unwatched()): Promise<string | undefined> {
    const path = join(this.directory, sha256);
    if (!(await entryOf(path, run))) return undefined;
    // The entry's own time says when it was last asked for. Nobody needs to write to a cache to use it.
    const now = new Date();
    await utimes(`${path}.json`, now, now).catch(() => {});
    return path;
  }

  /**
   * Where a file is, after `make` has written it to the path that it is given, if it was not there. Of several
   * processes that want it, one makes it. @throws PipelineError when the cache cannot be written to
   */
  async ensure(
    about: Pick<Entry, "sha256" | "asset" | "flavor">,
    run: Run,
    make: (partial: string) => Promise<{ wireSize: number }>,
  ): Promise<string> {
    const there = await this.find(about.sha256, run);
    if (there) return there;
    await makeDirectory(this.directory, ADVICE);
    const path = join(this.directory, about.sha256);
    return await withLock(
      lockOf(path),
      run,
      async () => {
        const made = await this.find(about.sha256, run);
        if (made) return made;
        const partial = `${path}.${process.pid}.partial`;
        try {
          const { wireSize } = await make(partial);
          const known = {
            ...{ schema_version: 2 as const, ...about, wire_size: wireSize },
            file_sha256: await sha256File(partial, run.signal),
          } as const;
          // First what it is, then the file: when this process is killed in between, the file is known by its hash.
          await writeEntry(path, { ...known, stamp: (await stampOf(partial))! });
          await rename(partial, path);
          await writeEntry(path, { ...known, stamp: (await stampOf(path))! });
          return path;
        } catch (error) {
          throw cannotWrite(this.directory, error, `make room, or ${ADVICE}`);
        } finally {
          await rm(partial, { force: true });
        }
      },
      LOCK,
    );
  }

  /** @throws PipelineError when there is less room than `bytes`, or none can be had */
  async checkRoom(bytes: number): Promise<void> {
    await makeDirectory(this.directory, ADVICE);
    const { bavail, bsize } = await statfs(this.directory);
    if (bavail * bsize >= bytes) return;
    throw new PipelineError(
      `${this.directory} has ${mb(bavail * bsize)} free, and about ${mb(bytes)} are needed`,
      {
        code: "disk-full",
        fix: "make room (`smolvm prune`), or choose another place with --cache",
      },
    );
  }

  /** Everything that is there and right, newest use first. @throws PipelineError when the cache cannot be read */
  async list(run: Run = unwatched()): Promise<Cached[]> {
    const cached: Cached[] = [];
    for (const name of (await this.#names()).filter((each) => SHA256.test(each))) {
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

  /** Files of ours that are of no use: half-made by a process that is gone, or not as they were. */
  async leftovers(run: Run = unwatched()): Promise<string[]> {
    const found: string[] = [];
    for (const name of await this.#names()) {
      const path = join(this.directory, name);
      if (await isLeftover(path, name, run)) found.push(path);
    }
    return found;
  }

  /** Removes a file with its entry. @throws PipelineError when it may not be removed */
  async remove({ path }: Pick<Cached, "path">): Promise<void> {
    try {
      await rm(`${path}.json`, { force: true });
      await rm(path, { force: true });
    } catch (error) {
      throw cannotWrite(this.directory, error, ADVICE);
    }
  }

  /** Removes what `leftovers` has found, where that is still so. @throws PipelineError when it may not be removed */
  async removeLeftover(path: string, run: Run = unwatched()): Promise<void> {
    const file = path.replace(/\.json$/, "");
    if (path.endsWith(".lock")) return await removeStale(path, ADVICE);
    if (!SHA256.test(basename(file))) return await rm(path, { force: true });
    await withLock(lockOf(file), run, () => this.#removeUseless(file, run), LOCK);
  }

  async #removeUseless(path: string, run: Run): Promise<void> {
    if (!(await entryOf(path, run))) await this.remove({ path });
  }

  async #names(): Promise<string[]> {
    return (await entriesIn(this.directory, ADVICE)).map(({ name }) => name).sort();
  }
}

const lockOf = (path: string) => `${path}.lock`;

/** What a process makes on its way to a file, an entry or a lock: its number is in the name. */
const PARTIAL = /^([^.]+)(?:\.json|\.lock)?(?:\.\d+)?\.(\d+)\.(?:partial|stale)$/;
const BREAK = /^([^.]+)\.lock\.break\.\d+\.(\d+)_(\d+|-)$/;
/** A file of the cache, its entry, its lock. */
const FILE = /^([^.]+)(\.json|\.lock)?$/;

/** Whether a file is ours and of no use. What is not named as we name things, or has no entry of ours, is not. */
async function isLeftover(path: string, name: string, run: Run): Promise<boolean> {
  const [partial, breaking, own] = [PARTIAL, BREAK, FILE].map((pattern) => pattern.exec(name));
  const sha256 = (partial ?? breaking ?? own)?.[1];
  if (sha256 === undefined || !SHA256.test(sha256)) return false;
  if (partial) return !isAlive(Number(partial[2]));
  if (breaking) return !isRunning(`${breaking[2]} ${breaking[3]}`);
  const end = own?.[2];
  const file = join(path, "..", sha256);
  // What is being made right now has a lock.
  if (await isLocked(lockOf(file))) return false;
  if (end === ".lock") return true;
  // An entry goes with its file.
  if (end === ".json" && (await existing(file))) return false;
  return (await readEntry(file)) !== undefined && (await entryOf(file, run)) === undefined;
}

async function readEntry(path: string): Promise<Entry | undefined> {
  const known = await readRecord(`${path}.json`, Entry);
  return known?.sha256 === basename(path) ? known : undefined;
}

const writeEntry = (path: string, known: Entry) =>
  writeWhole(`${path}.json`, (partial) => writeFile(partial, JSON.stringify(known)));

/** What is known of a file; undefined where nothing is, or the file is not as it was. */
async function entryOf(path: string, run: Run): Promise<Entry | undefined> {
  const known = await readEntry(path);
  const stamp = await stampOf(path);
  if (!known || stamp === undefined) return undefined;
  if (known.stamp === stamp) return known;
  // Whoever copies a cache changes the times of its files, and no byte of them.
  const expected = known.schema_version === 2 ? known.file_sha256 : known.flavor === null && known.sha256;
  if (!expected) return undefined;
  run.progress.step(`verify ${known.asset}, which has another time than before`);
  if ((await sha256File(path, run.signal)) !== expected || (await stampOf(path)) !== stamp) return undefined;
  const again = { ...known, stamp };
  await restamp(path, again);
  return again;
}

/** Keeps the time of the entry, which says when the file was last asked for; a cache that is not ours stays as it is. */
async function restamp(path: string, known: Entry): Promise<void> {
  try {
    const { atime, mtime } = await stat(`${path}.json`);
    await writeEntry(path, known);
    await utimes(`${path}.json`, atime, mtime);
  } catch (error) {
    if (!isFileError(error)) throw error;
  }
}

const existing = (path: string) => stat(path).catch(() => undefined);

async function stampOf(path: string): Promise<string | undefined> {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  return file && `${file.size} ${file.mtimeNs} ${file.ctimeNs}`;
}

const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
