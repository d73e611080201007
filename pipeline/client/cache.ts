import { mkdir, readdir, rename, rm, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { errorCode, PipelineError } from "../schema/error.ts";
import { isAlive } from "../schema/process.ts";
import type { Run } from "../schema/progress.ts";
import { readRecord } from "../schema/record.ts";
import { writeWhole } from "../schema/whole-file.ts";
import { withLock } from "./lock.ts";

/** Beside each file of the cache: what it is, and how it was when it was right. */
const Entry = z.strictObject({
  schema_version: z.literal(1),
  /** Of the bytes on the wire: the entry's name. */
  sha256: z.string(),
  /** The asset that it came as. */
  asset: z.string(),
  flavor: z.string().nullable(),
  /** Length on the wire, bytes. */
  wire_size: z.int().nonnegative(),
  /** Size and times, as the system had them: whoever writes to the file changes one of them. */
  stamp: z.string(),
});
type Entry = z.infer<typeof Entry>;

/** A file of the cache, as a listing has it. */
export interface Cached extends Entry {
  readonly path: string;
  /** Apparent size, and what it takes on disk, bytes. */
  readonly size: number;
  readonly onDisk: number;
  /** When it was last asked for. */
  readonly usedAt: Date;
}

export const defaultCacheDirectory = (): string =>
  process.env.SMOLVM_CACHE || join(homedir(), ".smolvm", "images");

/** Files by the sha256 of their bytes on the wire, ready to use: what was compressed lies here unpacked. */
export class Cache {
  readonly directory: string;

  constructor(directory = defaultCacheDirectory()) {
    this.directory = join(directory, "sha256");
  }

  /** Where a file is; undefined where it is not, or not as it was. */
  async find(sha256: string): Promise<string | undefined> {
    const path = join(this.directory, sha256);
    if (!(await entryOf(path))) return undefined;
    // The entry's own time says when it was last asked for.
    const now = new Date();
    await utimes(`${path}.json`, now, now).catch(() => {});
    return path;
  }

  /**
   * Where a file is, after `make` has written it to the path that it is given, if it was not there. Of several
   * processes that want it, one makes it.
   */
  async ensure(
    about: Pick<Entry, "sha256" | "asset" | "flavor">,
    run: Run,
    make: (partial: string) => Promise<{ wireSize: number }>,
  ): Promise<string> {
    const there = await this.find(about.sha256);
    if (there) return there;
    await mkdir(this.directory, { recursive: true });
    const path = join(this.directory, about.sha256);
    return await withLock(`${path}.lock`, run, async () => {
      const made = await this.find(about.sha256);
      if (made) return made;
      const partial = `${path}.${process.pid}.partial`;
      try {
        const { wireSize } = await make(partial);
        await rm(`${path}.json`, { force: true });
        await rename(partial, path);
        const stamp = (await stampOf(path))!;
        const entry: Entry = { schema_version: 1, ...about, wire_size: wireSize, stamp };
        await writeWhole(`${path}.json`, (file) => writeFile(file, JSON.stringify(entry)));
        return path;
      } finally {
        await rm(partial, { force: true });
      }
    });
  }

  /** @throws PipelineError when there is less room than `bytes` */
  async checkRoom(bytes: number): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const { bavail, bsize } = await statfs(this.directory);
    if (bavail * bsize >= bytes) return;
    throw new PipelineError(
      `${this.directory} has ${mb(bavail * bsize)} free, and about ${mb(bytes)} are needed: make room (\`smolvm prune\`), ` +
        "or choose another place with --cache",
    );
  }

  /** Everything that is there and right, newest use first. */
  async list(): Promise<Cached[]> {
    const names = await this.#names();
    const cached: Cached[] = [];
    for (const name of names.filter((each) => /^[0-9a-f]{64}$/.test(each))) {
      const path = join(this.directory, name);
      const entry = await entryOf(path);
      if (!entry) continue;
      const [file, record] = await Promise.all([stat(path), stat(`${path}.json`)]);
      cached.push({ ...entry, path, size: file.size, onDisk: file.blocks * 512, usedAt: record.mtime });
    }
    return cached.sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
  }

  /** Files that are of no use: half-made by a process that is gone, or not as they were. */
  async leftovers(): Promise<string[]> {
    const names = await this.#names();
    const right = new Set((await this.list()).map(({ sha256 }) => sha256));
    return names
      .filter((name) => {
        const pid = /\.(\d+)\.(partial|stale)$/.exec(name)?.[1];
        if (pid) return !isAlive(Number(pid));
        const sha256 = /^([0-9a-f]{64})(\.json)?$/.exec(name)?.[1];
        // What is being made right now has a lock.
        return sha256 !== undefined && !right.has(sha256) && !names.includes(`${sha256}.lock`);
      })
      .map((name) => join(this.directory, name));
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  async remove({ path }: Pick<Cached, "path">): Promise<void> {
    await rm(`${path}.json`, { force: true });
    await rm(path, { force: true });
  }
}

/** What is known of a file; undefined where nothing is, or the file is not as it was. */
async function entryOf(path: string): Promise<Entry | undefined> {
  const entry = await readRecord(`${path}.json`, Entry);
  return entry?.stamp === (await stampOf(path)) ? entry : undefined;
}

async function stampOf(path: string): Promise<string | undefined> {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  return file && `${file.size} ${file.mtimeNs} ${file.ctimeNs}`;
}

const mb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
