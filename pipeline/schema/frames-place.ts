import { z } from "zod";
import { Sha256 } from "./digest.ts";

/** Where the table of an asset's frames is, and what it is. */
export const FramesPlace = z.strictObject({
  offset: z.int().positive().describe("where the table begins in the file, bytes"),
  size: z.int().positive().describe("length of the table, bytes"),
  sha256: Sha256.describe("sha256 of the table"),
});
/** Where the table of an asset's frames is in the asset, and its sha256. */
export type FramesPlace = z.infer<typeof FramesPlace>;
