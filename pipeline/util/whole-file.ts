import { rename, rm } from "node:fs/promises";

/** How many files this process has begun to write; makes the names of partial files unique. */
let begun = 0;

/**
 * Writes a file atomically: `write` gets the path of a temporary file beside it, which is renamed to `path` when it is
 * complete, and removed when `write` fails.
 */
export async function writeWhole(path: string, write: (partial: string) => Promise<unknown>): Promise<void> {
  const partial = `${path}.${begun++}.${process.pid}.partial`;
  try {
    await write(partial);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
