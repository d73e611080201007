import { createHash } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { programInContext } from "../schema/programs.ts";
import { download, toFile } from "../util/download/download.ts";
import type { Patience } from "../util/download/patience.ts";
import { redirectOf } from "../util/download/redirect.ts";
import { SourceError } from "../util/download/source.ts";
import { fetchVerified } from "../util/download/verified-file.ts";
import { PipelineError } from "../util/error.ts";
import { sha256File } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";

/** A program of a cell, from a release. */
interface Wanted {
  /** Its path in the image. */
  readonly path: string;
  readonly url: string;
  /** null if it is not known, or is not to be compared. */
  readonly sha256: string | null;
}

export interface FetchedProgram {
  readonly path: string;
  /** The tag of its release; undefined if its address does not say it. */
  readonly version: string | undefined;
  /** The address that it came from: for the newest release, that of this release. */
  readonly url: string;
  readonly sha256: string;
  /** The file on this machine, and its place in the build's context. */
  readonly from: string;
  readonly to: string;
}

export interface FetchProgramOptions {
  /** The directory for downloads. A file that is there already is not fetched again. */
  readonly directory: string;
  /** What declares the program, for messages: `base`, `appliance`. */
  readonly declaredBy: string;
  readonly patience?: Partial<Patience>;
}

/** The largest program that is taken without a known sha256, bytes. */
const MOST = 2 * 2 ** 30;
/** GitHub's address of a file in the newest release. It redirects to the address in that release. */
const LATEST = /\/releases\/latest\/download\/[^/]+$/;
const OF_RELEASE = /\/releases\/download\/([^/]+)\/[^/]+$/;

/**
 * Fetches a program, and verifies it if its sha256 is known.
 * @throws PipelineError if it cannot be fetched (`not-fetched`), or is not the expected file (`digest-mismatch`)
 */
export async function fetchProgram(
  { path, url: declared, sha256 }: Wanted,
  { directory, declaredBy, patience }: FetchProgramOptions,
  run: Run,
): Promise<FetchedProgram> {
  run.progress.step(`fetch ${declared}`);
  const fix = `check the address and the sha256 of ${path} in the ${declaredBy}'s programs`;
  try {
    const url = LATEST.test(declared) ? await newest(declared, patience, run) : declared;
    const from =
      sha256 === null
        ? await fetchUnverified(url, directory, patience, run)
        : await fetchVerified(url, sha256, directory, run, { fix, ...(patience ? { patience } : {}) });
    return {
      ...{ path, url, from, to: programInContext(path), version: OF_RELEASE.exec(url)?.[1] },
      sha256: sha256 ?? (await sha256File(from, run.signal)),
    };
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause;
    throw new PipelineError(`${path}: cannot fetch ${declared}: ${cause.problem}`, {
      ...{ code: "not-fetched", fix: fixFor(cause.status) ?? fix, cause },
    });
  }
}

/** What to do about a status; undefined if nothing in particular. */
function fixFor(status: number | undefined): string | undefined {
  if (status === 404) return "look at the release: it has no file of this name, or there is no such release";
  if (status === 403 || status === 429)
    return "the server limits how often it is asked from this network: run it again later, or from another network";
  return undefined;
}

/** The address of a file in the newest release. @throws SourceError */
async function newest(url: string, patience: Partial<Patience> = {}, run: Run): Promise<string> {
  const found = await redirectOf(url, patience, run);
  if (OF_RELEASE.test(found)) return found;
  throw new SourceError(`it is redirected to ${found}, which is no file of a release`);
}

/** A file whose sha256 nobody knows. Its name in the cache is made of its address. @throws SourceError */
async function fetchUnverified(
  url: string,
  directory: string,
  patience: Partial<Patience> | undefined,
  run: Run,
): Promise<string> {
  const target = join(directory, `unverified-${createHash("sha256").update(url).digest("hex")}`);
  if ((await sha256File(target, run.signal).catch(() => undefined)) !== undefined) return target;
  run.signal.throwIfAborted();
  await mkdir(directory, { recursive: true });
  const partial = `${target}.${process.pid}.partial`;
  try {
    await download({ from: { kind: "address", url }, most: MOST, patience }, () => toFile(partial), run);
    await rename(partial, target);
    return target;
  } finally {
    await rm(partial, { force: true });
  }
}
