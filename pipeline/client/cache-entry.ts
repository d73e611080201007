import { stat, utimes, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { isFileError } from "../util/error.ts";
import { sha256File } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { writeWhole } from "../util/whole-file.ts";

const entry = {
  /** The digest of the file as downloaded; also the file's name in the cache. */
  sha256: z.string(),
  /** The name of the asset. */
  asset: z.string(),
  /** Null for a kernel. */
  flavor: z.string().nullable(),
  /** The size of the file as downloaded, bytes. */
  wire_size: z.int().nonnegative(),
  /** Size, mtime and ctime of the file. Any write to the file changes one of them. */
  stamp: z.string(),
};

/** The entry of a file in the cache, `<sha256>.json`: what the file is, and its state when it was verified. */
const Entry = z.discriminatedUnion("schema_version", [
  // Version 1 has no hash of unpacked files.
  z.strictObject({ schema_version: z.literal(1), ...entry }),
  z.strictObject({
    schema_version: z.literal(2),
    ...entry,
    /** The digest of the file in the cache. Compressed assets are stored unpacked. */
    file_sha256: z.string(),
  }),
]);
export type Entry = z.infer<typeof Entry>;

/** What is known of a file; undefined if it is not a file of the cache. */
export async function readEntry(path: string): Promise<Entry | undefined> {
  const known = await readRecord(`${path}.json`, Entry);
  return known?.sha256 === basename(path) ? known : undefined;
}

export const writeEntry = (path: string, known: Entry) =>
  writeWhole(`${path}.json`, (partial) => writeFile(partial, JSON.stringify(known)));

/** The entry of a file; undefined if there is none, or the file has changed. */
export async function entryOf(path: string, run: Run): Promise<Entry | undefined> {
  const known = await readEntry(path);
  const stamp = await stampOf(path);
  if (!known || stamp === undefined) return undefined;
  if (known.stamp === stamp) return known;
  if (known.stamp === BAD) return undefined;
  // Copying a cache changes the times of its files, but not their bytes, so compare the hash.
  const expected = fileSha256Of(known);
  if (!expected) return undefined;
  run.progress.step(`verify ${known.asset} again, because its times have changed`);
  if ((await sha256File(path, run.signal)) !== expected || (await stampOf(path)) !== stamp) return undefined;
  const again = { ...known, stamp };
  await restamp(path, again);
  return again;
}

/** The stamp of a file that was found to have other bytes than it should have. */
export const BAD = "bad";

/** The digest of the file, as it was when it was verified; undefined if it is not known. */
export const fileSha256Of = (known: Entry): string | undefined =>
  known.schema_version === 2 ? known.file_sha256 : known.flavor === null ? known.sha256 : undefined;

/** Updates the entry, but keeps its mtime (the time of the last use). Does nothing if the cache cannot be written. */
export async function restamp(path: string, known: Entry): Promise<void> {
  try {
    const { atime, mtime } = await stat(`${path}.json`);
    await writeEntry(path, known);
    await utimes(`${path}.json`, atime, mtime);
  } catch (error) {
    if (!isFileError(error)) throw error;
  }
}

export const existing = (path: string) => stat(path).catch(() => undefined);

export async function stampOf(path: string): Promise<string | undefined> {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  return file && `${file.size} ${file.mtimeNs} ${file.ctimeNs}`;
}
