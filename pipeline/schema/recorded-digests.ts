import { z } from "zod";
import { Sha256 } from "./digest.ts";

/**
 * `images.lock.json`: the digests that were recorded when a tag was published, by asset name. Synth makes the manifest's
 * rows from them. If they belong to another tag than the declared one, the manifest has no rows.
 */
export const RecordedDigests = z.strictObject({
  schema_version: z.literal(1),
  tag: z.string(),
  assets: z.record(
    z.string(),
    z.strictObject({
      sha256: Sha256,
      size: z.int().positive(),
      /** The inputs hash of its cell. */
      inputs: Sha256,
    }),
  ),
});
export type RecordedDigests = z.infer<typeof RecordedDigests>;
export const DIGESTS_PATH = "images.lock.json";
