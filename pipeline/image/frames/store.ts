import { copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SHA256, sha256File } from "../../util/hash.ts";
import { writeWhole } from "../../util/whole-file.ts";

/** How long a file is kept after its last use, days. */
const KEPT_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;

/** `<sha256 of the content>-<recipe>-<sha256 of the file>.zst`: the last part shows damage. */
const FRAME = /^(\w{64}-[0-9a-z-]+)-(\w{64})\.zst$/;
/** `<sha256 of the list of frames>.image`: holds the sha256 of the image that these frames unpack to. */
const IMAGE = /^\w{64}\.image$/;

/** A directory of compressed frames, by the digest of their content and how they were compressed. Several processes may use it. */
export class FrameStore {
  readonly #directory: string;
  readonly #recipe: string;
  /** The file names of frames of this recipe, by the first part of the name. */
  readonly #frames: Map<string, string>;
  readonly #fresh: boolean;

  private constructor(directory: string, recipe: string, frames: Map<string, string>, fresh: boolean) {
    this.#directory = directory;
    this.#recipe = recipe;
    this.#frames = frames;
    this.#fresh = fresh;
  }

  /**
   * Opens the store in a directory, which is created if it is missing, and removes what has not been used for long.
   * @param recipe what the compressed bytes depend on beside the content: `19-1a2b3c`
   * @param fresh whether to ignore what is there. @default false
   */
  static async open(directory: string, recipe: string, fresh = false): Promise<FrameStore> {
    await mkdir(directory, { recursive: true });
    await removeUnused(directory);
    const frames = (await readdir(directory)).flatMap((name) => {
      const key = FRAME.exec(name)?.[1];
      return key && !fresh ? [[key, name] as const] : [];
    });
    return new FrameStore(directory, recipe, new Map(frames), fresh);
  }

  /** The path of the frame with this content; undefined if there is none, or it was damaged, which removes it. */
  async find(sha256: string, signal?: AbortSignal): Promise<string | undefined> {
    const name = this.#frames.get(this.#key(sha256));
    if (name === undefined) return undefined;
    const path = join(this.#directory, name);
    try {
      if ((await sha256File(path, signal)) === FRAME.exec(name)![2]) {
        await used(path);
        return path;
      }
    } catch {
      // Another process may have removed it.
      signal?.throwIfAborted();
    }
    this.#frames.delete(this.#key(sha256));
    await rm(path, { force: true });
    return undefined;
  }

  /** Takes a compressed frame from where it was made. Returns its path in the store. */
  async add(sha256: string, made: string, signal?: AbortSignal): Promise<string> {
    const key = this.#key(sha256);
    const name = `${key}-${await sha256File(made, signal)}.zst`;
    const path = join(this.#directory, name);
    await rename(made, path).catch(async (error: NodeJS.ErrnoException) => {
      // The store may be on another disk.
      if (error.code !== "EXDEV") throw error;
      await writeWhole(path, (partial) => copyFile(made, partial));
      await rm(made);
    });
    this.#frames.set(key, name);
    return path;
  }

  /** The sha256 of the image with this list of frames, from an earlier build; otherwise that which `make` computes. */
  async imageOf(list: string, make: () => Promise<string>): Promise<string> {
    const path = join(this.#directory, `${list}.image`);
    const known = this.#fresh ? "" : await readFile(path, "utf8").catch(() => "");
    if (SHA256.test(known)) {
      await used(path);
      return known;
    }
    const made = await make();
    await writeWhole(path, (partial) => writeFile(partial, made));
    return made;
  }

  #key(sha256: string): string {
    return `${sha256}-${this.#recipe}`;
  }
}

async function used(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

async function removeUnused(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!FRAME.test(name) && !IMAGE.test(name)) continue;
    const path = join(directory, name);
    // Another process may remove it first.
    const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? { mtimeMs: Number.POSITIVE_INFINITY };
    if (mtimeMs < Date.now() - KEPT_DAYS * DAY_MS) await rm(path, { force: true });
  }
}
