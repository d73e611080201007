import { z } from "zod";

/**
 * `listings/<cell>.json`: the content of a root file system that a maintainer has reviewed and committed. Later builds
 * compare their sizes with it. For apk, which has no dated archive, it also fixes the versions of packages.
 */
export const Listing = z.strictObject({
  schema_version: z.literal(1),
  id: z.string(),
  /** The bytes of all files. */
  content_size: z.int().positive(),
  /** `type name version`, sorted. */
  packages: z.array(z.string()),
  /** Size in bytes by path, of each file of at least LISTED bytes. */
  files: z.record(z.string(), z.int().positive()),
});
export type Listing = z.infer<typeof Listing>;

/** The minimum size of a listed file, bytes. */
export const LISTED = 256 * 1024;

export const listingPath = (id: string): string => `listings/${id}.json`;

/** The apk packages of a listing, `apk name version`. They fix the versions, because apk has no dated archive. */
export const apkVersions = ({ packages }: Pick<Listing, "packages">): string[] =>
  packages.filter((each) => each.startsWith("apk "));
