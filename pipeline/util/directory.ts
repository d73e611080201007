import type { Dirent } from "node:fs";
import { access, constants, mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, isFileError, PipelineError } from "./error.ts";
import { reasonOf } from "./reason.ts";

/**
 * Creates a directory and its missing parents. Returns the directories that it created, outermost first; an empty list
 * if the directory exists. (In Node 20 `mkdir` with `recursive` never returns below a directory that accepts no new
 * entries, such as /proc.)
 * @param advice the `fix` of the error
 * @throws PipelineError when the directory cannot be created or written to
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

/** Checks that a directory can be created and written to. Leaves nothing behind. @throws PipelineError when it cannot */
export async function checkDirectory(path: string, advice: string): Promise<void> {
  for (const made of (await makeDirectory(path, advice)).reverse()) await rmdir(made);
}

/** The error `cannot write to DIRECTORY (permission denied): ADVICE`. Returns a cause that is not a file system error unchanged. */
export function cannotWrite(path: string, cause: unknown, advice: string): unknown {
  if (!isFileError(cause)) return cause;
  const code = errorCode(cause) === "ENOSPC" ? "disk-full" : "not-writable";
  return new PipelineError(`cannot write to ${path} (${reasonOf(cause)})`, { code, fix: advice, cause });
}

/** The error `cannot read DIRECTORY (permission denied): ADVICE`. Returns a cause that is not a file system error unchanged. */
export function cannotRead(path: string, cause: unknown, advice: string): unknown {
  if (!isFileError(cause)) return cause;
  return new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, {
    ...{ code: "not-readable", fix: advice, cause },
  });
}

/** The entries of a directory; an empty list if it does not exist. @throws PipelineError when it cannot be read */
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
    // Another process may have created it in the meantime.
    if (errorCode(error) === "EEXIST" && (await isDirectory(path, advice))) return parents;
    throw error;
  }
}

/** False if nothing exists at `path`. @throws PipelineError when something other than a directory does */
async function isDirectory(path: string, advice: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  throw new PipelineError(`${path} is not a directory`, { fix: advice });
}
