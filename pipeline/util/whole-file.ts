import { rename, rm } from "node:fs/promises";

/** How many files this process has begun: each has a partial of its own. */
let begun = 0;

/** A file appears under its name only when it is whole: `write` is given another name, which is gone afterwards. */
export async function writeWhole(path: string, write: (partial: string) => Promise<unknown>): Promise<void> {
  const partial = `${path}.${begun++}.${process.pid}.partial`;
  try {
    await write(partial);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
