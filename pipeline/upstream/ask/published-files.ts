import type { Upstream } from "../upstream.ts";

/** What a publisher's list says of the files in a directory. */
export interface PublishedFiles {
  /** The sha256 of each file, by name. */
  readonly sums: ReadonlyMap<string, string>;
  /** What a reader should know of how the list was checked. */
  readonly note?: string | undefined;
}

/** Reads the list of a directory. @throws Unknown */
export type ListFiles = (upstream: Upstream, directory: string) => Promise<PublishedFiles>;
