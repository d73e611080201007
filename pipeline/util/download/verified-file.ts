import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PipelineError } from "../error.ts";
import { sha256File } from "../hash.ts";
import type { Run } from "../progress.ts";
import { download, toFile } from "./download.ts";
import type { Patience } from "./patience.ts";
import { SourceError } from "./source.ts";

/** An archive server may take long to start its response. */
const SILENCE_MS = 60_000;
/** The maximum size of a root file system tarball, bytes. */
const MOST = 16 * 2 ** 30;

export interface FetchOptions {
  /** @default one minute of silence ends a download */
  readonly patience?: Partial<Patience>;
  /** What to do about a file with another sha256; the end of the error's message. @default for a root file system */
  readonly fix?: string;
}

/**
 * Fetches a file (a path or an http(s) address) into the directory `cache` and returns its path there. The file's name is
 * its sha256; a file that is there already is hashed again before it is used.
 * @throws SourceError when the file cannot be fetched
 * @throws PipelineError when its sha256 is not the expected one (`digest-mismatch`), or it cannot be written
 */
export async function fetchVerified(
  from: string,
  sha256: string,
  cache: string,
  run: Run,
  {
    patience = { silenceMs: SILENCE_MS },
    fix = "check the address, or give the right hash with --rootfs-sha256",
  }: FetchOptions = {},
): Promise<string> {
  const target = join(cache, sha256);
  // A cached file is verified like a downloaded one.
  if ((await sha256File(target, run.signal).catch(() => undefined)) === sha256) return target;
  run.signal.throwIfAborted();
  await mkdir(cache, { recursive: true });
  const partial = `${target}.${process.pid}.partial`;
  const place = /^https?:\/\//.test(from)
    ? ({ kind: "address", url: from } as const)
    : ({ kind: "path", path: from } as const);
  try {
    await download({ from: place, sha256, most: MOST, patience }, () => toFile(partial), run);
    await rename(partial, target);
    return target;
  } catch (error) {
    if (!(error instanceof SourceError) || error.code !== "digest-mismatch") throw error;
    throw new PipelineError(`${from} is not the expected file: ${error.problem}`, {
      code: "digest-mismatch",
      fix,
      cause: error,
    });
  } finally {
    await rm(partial, { force: true });
  }
}
