import type { FramesPlace } from "../../schema/frames-place.ts";

/** The table of an asset's frames, as it is in the asset. */
export interface FrameTable {
  /** Where it is in the asset. */
  readonly place: FramesPlace;
  /** Its bytes, whose sha256 is that of `place`. */
  readonly bytes: Uint8Array;
}
