import type { Backoff } from "../retry.ts";

/** The timeouts and retries of a download. Only attempts that bring no new byte count towards `attempts`. */
export interface Patience extends Backoff {
  /** How long a connection may receive nothing, ms. */
  readonly silenceMs: number;
}

export const PATIENCE: Patience = {
  attempts: 5,
  firstMs: 500,
  longestMs: 30_000,
  limitS: 120,
  silenceMs: 30_000,
};
