import { type ErrorOptions, PipelineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";

/** A source does not have the right bytes; another source may have them. */
export class SourceError extends PipelineError {
  /** The HTTP status of the last answer, if it was that of an error. */
  readonly status: number | undefined;

  constructor(
    problem: string,
    {
      status,
      ...options
    }: { readonly code?: ErrorCode; readonly cause?: unknown; readonly status?: number | undefined } = {},
  ) {
    super(problem, { code: "not-fetched", ...options } satisfies ErrorOptions);
    this.status = status;
  }
}

/** A source does not answer in time. Other files are not requested from it either. */
export class Unavailable extends SourceError {}

/** A source does not send parts of a file. It may have the whole file. */
export class NoRanges extends SourceError {}

/** The bytes of a file at a source. */
export interface Bytes {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The size of the whole file, bytes; undefined until the source reports it, or if it never does. */
  total(): number | undefined;
}
