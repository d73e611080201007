import { z } from "zod";
import { Sha256 } from "./digest.ts";

/**
 * `images.lock.json`: the digests recorded when a tag was published, by asset name. Synth makes the
 * manifest's rows from it; a lock of another tag than the declared one yields no rows.
 */
export const RecordedDigests = z.strictObject({
  schema_version: z.literal(1),
  tag: z.string(),
  assets: z.record(
    z.string(),
    z.strictObject({
      sha256: Sha256,
      size: z.int().positive(),
      /** What its cell was made from. */
      inputs: Sha256,
    }),
  ),
});
export type RecordedDigests = z.infer<typeof RecordedDigests>;
export const DIGESTS_PATH = "images.lock.json";
