import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Header, pack } from "tar-stream";
import { normalise, type Rootfs, toTar } from "../../pipeline/image/rootfs/normalise.ts";
import { indexTar, type TarIndex } from "../../pipeline/image/rootfs/tar-index.ts";
import { tempDirectory } from "./run.ts";

/** One entry of a test's tar: what it says, over harmless defaults. */
export type TestEntry = Partial<Omit<Header, "pax">> & {
  name: string;
  body?: string | Buffer;
  pax?: Record<string, string>;
};

/**
 * The entries of a root file system with these files, and the directories that they need. `-> target` is a symlink.
 * @param files contents by path
 */
export function tree(files: Readonly<Record<string, string>>): TestEntry[] {
  const directories = new Set<string>();
  for (const path of Object.keys(files)) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      directories.add(`${parts.slice(0, depth).join("/")}/`);
    }
  }
  return [
    ...[...directories].map((name) => ({ name })),
    ...Object.entries(files).map(
      ([name, body]): TestEntry =>
        body.startsWith("-> ") ? { name, type: "symlink", linkname: body.slice(3) } : { name, body },
    ),
  ];
}

const NEVER = new AbortController().signal;
export const EPOCH = 1_700_000_000;
/** Where a header says what it is of. */
const TYPE_FLAG = 156;
/** What ends a tar, bytes. */
const TRAILER = 1024;

/** The bytes of a tar with these entries, in this order. */
export async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { body, ...header } of entries) {
    const full = {
      type: header.name.endsWith("/") ? "directory" : "file",
      mtime: new Date(0),
      ...header,
    } as Header;
    // tar-stream takes a mode of 0 for a missing one.
    if (header.mode === 0) full.mode = 0o100000;
    archive.entry(full, body ?? "");
  }
  archive.finalize();
  return await buffer(archive as unknown as Readable);
}

/** Makes the checksum of a tar's first header right again after it was tampered with. */
export function resealed(tar: Buffer): Buffer {
  tar.fill(" ", 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return tar;
}

/** A tar with one file that has this pax record; unlike those of tar-stream its value can be any bytes. */
export async function tarWithPax(name: string, key: string, value: Buffer): Promise<Buffer> {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  // A record begins with its own length, which counts the digits of that length.
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  const extended = await tarOf([{ name: "pax", body: Buffer.concat([Buffer.from(String(length)), rest]) }]);
  extended.write("x", TYPE_FLAG);
  return Buffer.concat([resealed(extended).subarray(0, -TRAILER), await tarOf([{ name, body: "x" }])]);
}

/** The index of a tar. */
export async function indexOf(tar: Buffer): Promise<TarIndex> {
  const path = join(tempDirectory(), "index.tar");
  await writeFile(path, tar);
  await using file = await open(path);
  return await indexTar(file, NEVER);
}

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
    return await use(await normalise(await indexTar(spool, NEVER), spool, { baseOrder, epoch: EPOCH }));
  } finally {
    await spool.close();
  }
}

/** The tar that leaves a normalised root file system. */
export const tarBytes = (rootfs: Rootfs): Promise<Buffer> => buffer(toTar(rootfs));
