import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { errorCode } from "../schema/error.ts";
import { identityOf, isRunning } from "../schema/process.ts";
import type { Run } from "../schema/progress.ts";

const POLL_MS = 100;

/**
 * Does `work` while no other process does anything under the same lock: a file that names its owner. A lock whose
 * owner is gone, or is another process of the same number by now, is taken over.
 */
export async function withLock<T>(path: string, run: Run, work: () => Promise<T>): Promise<T> {
  const mine = identityOf(process.pid);
  let told = false;
  while (!(await take(path, mine))) {
    run.signal.throwIfAborted();
    if (!told) run.progress.warn("another process fetches the same file: waiting for it");
    told = true;
    await setTimeout(POLL_MS, undefined, { signal: run.signal });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** How often this process has tried to take a lock: each try has a file of its own. */
let takes = 0;

async function take(path: string, mine: string): Promise<boolean> {
  // It appears with its owner's name in it, or not at all.
  const written = `${path}.${takes++}.${process.pid}.partial`;
  await writeFile(written, mine);
  try {
    await link(written, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  } finally {
    await rm(written);
  }
  const theirs = await readFile(path, "utf8").catch(() => undefined);
  if (theirs === undefined || isRunning(theirs)) return false;
  // Of those who see the same dead owner, one moves its lock away; who has moved a newer one puts it back.
  const moved = `${path}.${takes++}.${process.pid}.stale`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  if ((await readFile(moved, "utf8")) === theirs) await rm(moved);
  else await rename(moved, path);
  return false;
}
