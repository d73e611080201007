import type { Dirent } from "node:fs";
import { access, constants, mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, isFileError, PipelineError } from "./error.ts";
import { reasonOf } from "./reason.ts";

/**
 * Makes a directory with its parents, and returns those that it made, outermost first; none where it is there.
 * (mkdir's own `recursive` never ends in Node 20 where a parent is there and takes no entries, as /proc.)
 * @param advice what to do where it cannot be made or written to
 * @throws PipelineError
 */
export async function makeDirectory(path: string, advice: string): Promise<string[]> {
  try {
    const made = await make(path, advice);
    await access(path, constants.W_OK | constants.X_OK);
    return made;
  } catch (cause) {
    throw cannotWrite(path, cause, advice);
  }
}

/** Makes sure that a directory can be made and written to, and leaves nothing behind. @throws PipelineError */
export async function checkDirectory(path: string, advice: string): Promise<void> {
  for (const made of (await makeDirectory(path, advice)).reverse()) await rmdir(made);
}

/** `cannot write to DIRECTORY (permission denied): ADVICE`; an error that is not the system's stays as it is. */
export function cannotWrite(path: string, cause: unknown, advice: string): unknown {
  if (!isFileError(cause)) return cause;
  const code = errorCode(cause) === "ENOSPC" ? "disk-full" : "not-writable";
  return new PipelineError(`cannot write to ${path} (${reasonOf(cause)})`, { code, fix: advice, cause });
}

/** `cannot read DIRECTORY (permission denied): ADVICE`; an error that is not the system's stays as it is. */
export function cannotRead(path: string, cause: unknown, advice: string): unknown {
  if (!isFileError(cause)) return cause;
  return new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, {
    ...{ code: "not-readable", fix: advice, cause },
  });
}

/** What is in a directory; nothing where there is none. @throws PipelineError when it cannot be read */
export async function entriesIn(path: string, advice: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw cannotRead(path, cause, advice);
  }
}

async function make(path: string, advice: string): Promise<string[]> {
  if (await isDirectory(path, advice)) return [];
  const parents = dirname(path) === path ? [] : await make(dirname(path), advice);
  try {
    await mkdir(path);
    return [...parents, path];
  } catch (error) {
    // Another process may have made it in the meantime.
    if (errorCode(error) === "EEXIST" && (await isDirectory(path, advice))) return parents;
    throw error;
  }
}

/** False where nothing is. @throws PipelineError where something else is */
async function isDirectory(path: string, advice: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  throw new PipelineError(`${path} is not a directory`, { fix: advice });
}
