import { type ErrorOptions, PipelineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";

/** A source that does not have what is wanted; another one may. */
export class SourceError extends PipelineError {
  constructor(problem: string, options: { readonly code?: ErrorCode; readonly cause?: unknown } = {}) {
    super(problem, { code: "not-fetched", ...options } satisfies ErrorOptions);
  }
}

/** A source that does not answer, or not in time: it would not have other files either. */
export class Unavailable extends SourceError {}

/** Where bytes come from. */
export interface Bytes {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** How many there are in all, as far as the source has told; undefined before that, and where it does not tell. */
  total(): number | undefined;
}
