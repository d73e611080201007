import { open, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Header, pack } from "tar-stream";
import { normalise, type Rootfs, toTar } from "../../pipeline/build/normalise.ts";
import { indexTar, type TarIndex } from "../../pipeline/build/tar-index.ts";

/** One entry of a test's tar: what it says, over harmless defaults. */
export type TestEntry = Partial<Omit<Header, "pax">> & {
  name: string;
  body?: string;
  pax?: Record<string, string>;
};

const NEVER = new AbortController().signal;
export const EPOCH = 1_700_000_000;

/** The bytes of a tar with these entries, in this order. */
export async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { body, ...header } of entries) {
    const full = {
      type: header.name.endsWith("/") ? "directory" : "file",
      mtime: new Date(0),
      ...header,
    } as Header;
    archive.entry(full, body ?? "");
  }
  archive.finalize();
  return await buffer(archive as unknown as Readable);
}

export const indexOf = (tar: Buffer): Promise<TarIndex> => indexTar(Readable.from([tar]), NEVER);

/** Spools a tar to `path` and normalises it, as the build stage does; `use` is given the result. */
export async function normalised<T>(
  path: string,
  entries: readonly TestEntry[],
  use: (rootfs: Rootfs) => Promise<T>,
  baseOrder: readonly string[] = [],
): Promise<T> {
  const tar = await tarOf(entries);
  await writeFile(path, tar);
  const spool = await open(path);
  try {
    return await use(await normalise(await indexOf(tar), spool, { baseOrder, epoch: EPOCH }));
  } finally {
    await spool.close();
  }
}

/** The tar that leaves a normalised root file system. */
export const tarBytes = (rootfs: Rootfs): Promise<Buffer> => buffer(toTar(rootfs));
