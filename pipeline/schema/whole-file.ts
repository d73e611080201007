import { rename, rm } from "node:fs/promises";

/** A file appears under its name only when it is whole: `write` is given another name, which is gone afterwards. */
export async function writeWhole(path: string, write: (partial: string) => Promise<unknown>): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await write(partial);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
