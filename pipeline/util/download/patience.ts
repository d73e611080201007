import type { Backoff } from "../retry.ts";

/** How long a download waits. `attempts` counts those in a row that bring no further byte. */
export interface Patience extends Backoff {
  /** How long a server may send nothing, ms. */
  readonly silenceMs: number;
}

export const PATIENCE: Patience = {
  attempts: 5,
  firstMs: 500,
  longestMs: 30_000,
  limitS: 120,
  silenceMs: 30_000,
};
