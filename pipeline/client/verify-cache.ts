import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isFileError } from "../util/error.ts";
import { SHA256, sha256File } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";
import { reasonOf } from "../util/reason.ts";
import type { Cache } from "./cache.ts";
import { type Entry, fileSha256Of, readEntry, restamp } from "./cache-entry.ts";
import type { ImageFile } from "./manifest.ts";

/** A file of the cache that was checked. */
export interface Checked {
  readonly path: string;
  readonly asset: string;
  /**
   * `bad`: other bytes than were downloaded, or than the manifest says. `unknown`: an earlier version cached it without
   * the hash of the unpacked file, and the manifest does not have it either.
   */
  readonly verdict: "good" | "bad" | "unknown";
  /** What is wrong with it; undefined if nothing is. */
  readonly problem: string | undefined;
}

/**
 * Hashes every file of a cache, and compares it with the hash that it had when it was downloaded, and with the manifest's.
 * A bad file is marked, so that it is not used again: the next pull replaces it, and `prune` removes it.
 * @param imageOf what the manifest says of the file that was downloaded with a sha256
 * @throws PipelineError if the cache cannot be read
 */
export async function verifyCache(
  cache: Cache,
  imageOf: (sha256: string) => Pick<ImageFile, "sha256" | "size"> | undefined,
  run: Run,
): Promise<Checked[]> {
  const checked: Checked[] = [];
  for (const name of (await cache.names()).filter((each) => SHA256.test(each))) {
    const path = join(cache.directory, name);
    const known = await readEntry(path);
    // A file without an entry is not one of the cache.
    if (!known) continue;
    run.progress.step(`verify ${known.asset}`);
    const problem = await problemOf(path, known, imageOf(known.sha256), run);
    if (problem) await restamp(path, { ...known, stamp: MARK });
    const verdict =
      problem !== undefined ? "bad" : (fileSha256Of(known) ?? imageOf(known.sha256)) ? "good" : "unknown";
    checked.push({ path, asset: known.asset, verdict, problem });
  }
  return checked;
}

/** In the place of the file's times: it is hashed before it is used again. */
const MARK = "bad";

async function problemOf(
  path: string,
  known: Entry,
  image: Pick<ImageFile, "sha256" | "size"> | undefined,
  run: Run,
): Promise<string | undefined> {
  const downloaded = fileSha256Of(known);
  try {
    const { size } = await stat(path);
    if (image && size !== image.size) return `it has ${size} bytes, and the manifest says ${image.size}`;
    if (downloaded === undefined && !image) return undefined;
    const sha256 = await sha256File(path, run.signal);
    if (downloaded !== undefined && sha256 !== downloaded)
      return `its sha256 is ${sha256}, and was ${downloaded} when it was downloaded`;
    if (image && sha256 !== image.sha256)
      return `its sha256 is ${sha256}, and the manifest says ${image.sha256}`;
    return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isFileError(error)) throw error;
    return `it cannot be read (${reasonOf(error)})`;
  }
}
