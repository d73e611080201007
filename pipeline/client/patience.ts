import type { Patience } from "../util/download/patience.ts";

/** How long a pull waits. */
export interface PullPatience extends Patience {
  /** How long a source may send nothing, all attempts together, before the next source is tried, ms. */
  readonly nextMs: number;
}
