import { z } from "zod";

/**
 * `listings/<cell>.json`: what was in a root file system when a maintainer last looked at it and agreed. Sizes are
 * compared with it, and the versions of packages where no archive keeps its old days (apk).
 */
export const Listing = z.strictObject({
  schema_version: z.literal(1),
  id: z.string(),
  /** The bytes of all files. */
  content_size: z.int().positive(),
  /** `type name version`, sorted. */
  packages: z.array(z.string()),
  /** The files that matter for size (see LISTED), bytes by path. */
  files: z.record(z.string(), z.int().positive()),
});
export type Listing = z.infer<typeof Listing>;

/** Smaller files are not listed, bytes. */
export const LISTED = 256 * 1024;

export const listingPath = (id: string): string => `listings/${id}.json`;

/** The versions that a listing fixes for apk, which has no dated archive. */
export const apkVersions = ({ packages }: Pick<Listing, "packages">): string[] =>
  packages.filter((each) => each.startsWith("apk "));
