import type { MadeFrom } from "../../schema/cells.ts";
import type { Package } from "../../schema/facts.ts";
import type { RecordedAsset } from "../../schema/recorded-digests.ts";

/** An asset of a release, as far as a comparison needs it. */
export interface AssetContents extends Pick<RecordedAsset, "sha256" | "size" | "content_size" | "boot"> {
  /** The name of the file. */
  readonly name: string;
}

/** A cell of a release. */
export interface CellContents {
  readonly id: string;
  /** A kernel has one for each format. */
  readonly assets: readonly AssetContents[];
  /** The inputs of the cell by name; undefined if they are not recorded. */
  readonly made_from: MadeFrom | undefined;
  readonly packages: readonly Package[];
  /** The sizes of large files, bytes by path; undefined if they are not recorded. */
  readonly files: Readonly<Record<string, number>> | undefined;
}

/** What is in a release. */
export interface ReleaseContents {
  readonly tag: string;
  readonly cells: readonly CellContents[];
}
