import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isFileError } from "../util/error.ts";
import { SHA256, sha256File } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";
import { reasonOf } from "../util/reason.ts";
import type { Cache } from "./cache.ts";
import { BAD, type Entry, fileSha256Of, readEntry, restamp } from "./cache-entry.ts";
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
 * A damaged file is marked, so that it is not used again: the next pull replaces it, and `prune` removes it. A file that is
 * only not the manifest's is not marked: a pull with that manifest does not use it.
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
    const image = imageOf(known.sha256);
    const damage = await damageOf(path, known, run);
    const problem = damage ?? (image && (await differenceFrom(image, path, known, run)));
    // A file of an earlier version of the cache has no sha256 of its own: that of its asset says what it must be.
    if (damage || (problem && fileSha256Of(known) === undefined))
      await restamp(path, { ...known, stamp: BAD });
    const verdict = problem !== undefined ? "bad" : (fileSha256Of(known) ?? image) ? "good" : "unknown";
    checked.push({ path, asset: known.asset, verdict, problem });
  }
  return checked;
}

/** Why a file is not what was downloaded; undefined if it is, or if that is not known. */
async function damageOf(path: string, known: Entry, run: Run): Promise<string | undefined> {
  const downloaded = fileSha256Of(known);
  if (downloaded === undefined) return undefined;
  try {
    const sha256 = await sha256File(path, run.signal);
    if (sha256 === downloaded) return undefined;
    return `its sha256 is ${sha256}, and was ${downloaded} when it was downloaded`;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isFileError(error)) throw error;
    return `it cannot be read (${reasonOf(error)})`;
  }
}

/** Why a file, which is what was downloaded if that is known, is not the manifest's; undefined if it is. */
async function differenceFrom(
  image: Pick<ImageFile, "sha256" | "size">,
  path: string,
  known: Entry,
  run: Run,
): Promise<string | undefined> {
  const { size } = await stat(path);
  if (size !== image.size) return `it has ${size} bytes, and the manifest says ${image.size}`;
  const sha256 = fileSha256Of(known) ?? (await sha256File(path, run.signal));
  if (sha256 === image.sha256) return undefined;
  return `its sha256 is ${sha256}, and the manifest says ${image.sha256}`;
}
