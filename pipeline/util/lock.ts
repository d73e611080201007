import { randomInt } from "node:crypto";
import { link, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { cannotWrite } from "./directory.ts";
import { errorCode, isFileError, PipelineError } from "./error.ts";
import { identityOf, isRunning } from "./process.ts";
import type { Run } from "./progress.ts";
import { reasonOf } from "./reason.ts";

const POLL_MS = 100;

/** The messages of a file lock. */
export interface LockTexts {
  /** The `fix` of the error when the lock's directory cannot be written to. */
  readonly advice: string;
  /** A warning that is shown once, when another process holds the lock. */
  readonly waiting: string;
}

const TEXTS: LockTexts = {
  advice: "make it writable, or choose another directory",
  waiting: "another process fetches the same file: waiting for it",
};

/**
 * Runs `work` while holding a file lock: a file that contains the identity of its owner. If another process holds the
 * lock, waits until it is released. A lock is taken over only when its owner no longer runs (or its pid belongs to
 * another process now).
 * @throws PipelineError when the lock file cannot be created or read
 */
export async function withLock<T>(
  path: string,
  run: Run,
  work: () => Promise<T>,
  { advice, waiting }: LockTexts = TEXTS,
): Promise<T> {
  let told = false;
  while (!(await take(path, advice))) {
    run.signal.throwIfAborted();
    if (!told) run.progress.warn(waiting);
    told = true;
    await pause(run.signal);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Whether a running process holds the lock. @throws PipelineError when it cannot be read */
export async function isLocked(path: string): Promise<boolean> {
  const owner = await ownerOf(path);
  return owner !== undefined && isRunning(owner);
}

/**
 * Removes a lock whose owner no longer runs. Leaves it if another process is removing it at the same time.
 * @throws PipelineError when the lock cannot be read or removed
 */
export async function removeStale(path: string, advice: string): Promise<void> {
  const owner = await ownerOf(path);
  if (owner === undefined || isRunning(owner)) return;
  // Only one process at a time removes stale locks, so the lock that is checked here is the lock that is removed.
  await alone(`${path}.break`, advice, async () => {
    if (!(await isLocked(path))) await rm(path, { force: true });
  });
}

/** How many lock files this process has created; makes their names unique. */
let made = 0;

async function take(path: string, advice: string): Promise<boolean> {
  // The lock appears together with its content: link(2) gives a complete file its name, or fails.
  const written = `${path}.${made++}.${process.pid}.partial`;
  try {
    await writeFile(written, identityOf(process.pid));
    await link(written, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw cannotWrite(dirname(path), error, advice);
  } finally {
    await discard(written);
  }
  await removeStale(path, advice);
  return false;
}

/** The identity of the process that holds a lock; undefined if there is no lock. @throws PipelineError */
async function ownerOf(path: string): Promise<string | undefined> {
  try {
    const owner = await readFile(path, "utf8");
    // A power failure can leave an empty file.
    if (/^(\d+ (\d+|-))?$/.test(owner)) return owner;
    throw new PipelineError(`${path} is not a lock file of smolvm`, {
      code: "not-ours",
      fix: "move it away",
    });
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    if (!isFileError(cause)) throw cause;
    throw new PipelineError(`cannot read the lock file ${path} (${reasonOf(cause)})`, {
      ...{ code: "not-readable", fix: "remove it", cause },
    });
  }
}

/**
 * Runs `work`, unless another process runs the same work. Each process creates its own file before it looks for those of
 * others. Of two processes, at least one therefore sees the other and does nothing.
 */
async function alone(prefix: string, advice: string, work: () => Promise<void>): Promise<void> {
  const mine = `${prefix}.${made++}.${identityOf(process.pid).replace(" ", "_")}`;
  try {
    await writeFile(mine, "");
    if (!(await anyOther(prefix, mine))) await work();
  } catch (error) {
    throw cannotWrite(dirname(prefix), error, advice);
  } finally {
    await discard(mine);
  }
}

/** Whether another running process does the same work. Removes the files of processes that have ended. */
async function anyOther(prefix: string, mine: string): Promise<boolean> {
  const directory = dirname(prefix);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!name.startsWith(`${basename(prefix)}.`) || path === mine) continue;
    if (isRunning(name.split(".").at(-1)!.replace("_", " "))) return true;
    await rm(path, { force: true });
  }
  return false;
}

/** Removes a file that only this process uses. Ignores errors: an earlier error gives the reason. */
const discard = (path: string) => rm(path, { force: true }).catch(() => {});

/** Waits for a random time, so that two competing processes do not retry at the same moment. */
async function pause(signal: AbortSignal): Promise<void> {
  await setTimeout(POLL_MS / 2 + randomInt(POLL_MS), undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}
