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

/** What a lock says. */
export interface LockTexts {
  /** What to do where the lock's directory cannot be written to. */
  readonly advice: string;
  /** Told once, while another process has the lock. */
  readonly waiting: string;
}

const TEXTS: LockTexts = {
  advice: "make it writable, or choose another directory",
  waiting: "another process fetches the same file: waiting for it",
};

/**
 * Does `work` while no other process does anything under the same lock: a file that names its owner. A lock is taken
 * over only from an owner that is gone, or whose number another process has by now.
 * @throws PipelineError when the lock can be neither taken nor waited for
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

/** Whether a process that runs has the lock. @throws PipelineError when it cannot be read */
export async function isLocked(path: string): Promise<boolean> {
  const owner = await ownerOf(path);
  return owner !== undefined && isRunning(owner);
}

/** Removes a lock whose owner is gone; leaves it where another process is at it. @throws PipelineError */
export async function removeStale(path: string, advice: string): Promise<void> {
  const owner = await ownerOf(path);
  if (owner === undefined || isRunning(owner)) return;
  // Nobody else removes the lock of another now, so what is read here is what is removed.
  await alone(`${path}.break`, advice, async () => {
    if (!(await isLocked(path))) await rm(path, { force: true });
  });
}

/** How many files this process has made for locks: each has a name of its own. */
let made = 0;

async function take(path: string, advice: string): Promise<boolean> {
  // It appears with its owner's name in it, or not at all.
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

/** The process that a lock names; undefined where there is no lock. @throws PipelineError */
async function ownerOf(path: string): Promise<string | undefined> {
  try {
    const owner = await readFile(path, "utf8");
    // Empty is what a machine that lost its power may have left.
    if (/^(\d+ (\d+|-))?$/.test(owner)) return owner;
    throw new PipelineError(`${path} is not a lock of smolvm`, { code: "not-ours", fix: "move it away" });
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    if (!isFileError(cause)) throw cause;
    throw new PipelineError(`cannot read the lock ${path} (${reasonOf(cause)})`, {
      ...{ code: "not-readable", fix: "remove it", cause },
    });
  }
}

/**
 * Does `work`, unless another process is at the like. Each says that it is here before it looks for others: of two, at
 * least one sees the other.
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

/** Whether another process that runs is at the like; what those that are gone have left is removed. */
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

/** Removes a file of this process alone; where that fails, what failed before says why. */
const discard = (path: string) => rm(path, { force: true }).catch(() => {});

/** Two that get in each other's way do not wait equally long. */
async function pause(signal: AbortSignal): Promise<void> {
  await setTimeout(POLL_MS / 2 + randomInt(POLL_MS), undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}
