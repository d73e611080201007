import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PipelineError } from "../error.ts";
import { sha256File } from "../hash.ts";
import type { Run } from "../progress.ts";
import { download, toFile } from "./download.ts";
import type { Patience } from "./patience.ts";
import { SourceError } from "./source.ts";

/** An archive may be slow to begin. */
const SILENCE_MS = 60_000;
/** No root file system's tarball is larger, bytes. */
const MOST = 16 * 2 ** 30;

/**
 * Brings a file (a path or an http(s) address) into the cache by its content and returns where it lies.
 * @throws SourceError when it cannot be had from there
 * @throws PipelineError when its bytes are not the expected ones (`digest-mismatch`), or cannot be written
 */
export async function fetchVerified(
  from: string,
  sha256: string,
  cache: string,
  run: Run,
  patience: Partial<Patience> = { silenceMs: SILENCE_MS },
): Promise<string> {
  const target = join(cache, sha256);
  // What lies there is believed as little as what comes.
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
      fix: "check the address, or give the right hash with --rootfs-sha256",
      cause: error,
    });
  } finally {
    await rm(partial, { force: true });
  }
}
