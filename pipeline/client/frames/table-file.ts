import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { FramesPlace } from "../../schema/frames-place.ts";
import { readRecord } from "../../util/record.ts";
import { writeWhole } from "../../util/whole-file.ts";
import type { FrameTable } from "./table.ts";

/** `<sha256>.frames` in the cache: the table of the frames of the asset that an image was unpacked from. */
const TableFile = z.strictObject({
  schema_version: z.literal(1),
  place: FramesPlace,
  /** The table, in base64. */
  table: z.string(),
});

/** The path of the table of a cached image. */
export const tableFileOf = (image: string): string => `${image}.frames`;

/** The table of a cached image; undefined if there is none, or it is damaged. An earlier version stored none. */
export async function readTable(image: string): Promise<FrameTable | undefined> {
  const known = await readRecord(tableFileOf(image), TableFile).catch(() => undefined);
  if (!known) return undefined;
  const bytes = Buffer.from(known.table, "base64");
  return isTable(bytes, known.place) ? { place: known.place, bytes } : undefined;
}

/** Whether bytes are the table that a manifest names. */
export const isTable = (bytes: Buffer, place: FramesPlace): boolean =>
  bytes.length === place.size && createHash("sha256").update(bytes).digest("hex") === place.sha256;

export const writeTable = (image: string, { place, bytes }: FrameTable): Promise<void> =>
  writeWhole(tableFileOf(image), (partial) =>
    writeFile(
      partial,
      JSON.stringify({ schema_version: 1, place, table: Buffer.from(bytes).toString("base64") }),
    ),
  );
