import { PipelineError } from "../util/error.ts";
import type { ErrorCode } from "../util/error-codes.ts";

/** What failed: a download, or (in `ImageBuilder`) a part of the build. */
export type ImageFailure = "download" | "docker" | "build" | "key" | "filesystem" | "kernel";

/** The code of an error that is not a PipelineError. */
const CODES: Readonly<Record<ImageFailure, ErrorCode>> = {
  download: "not-fetched",
  docker: "docker-unreachable",
  build: "docker-build-failed",
  key: "invalid-input",
  filesystem: "not-writable",
  kernel: "not-fetched",
};

/**
 * An image cannot be had. With `failure: "download"` a file could not be downloaded, or has other bytes than it should
 * have; the other failures are those of `ImageBuilder`. `cause` is the reason.
 */
export class ImageError extends PipelineError {
  /** The name of this class, as for every error. */
  override readonly name = "ImageError";
  /** What kind of failure it is, for a program to decide on. */
  readonly failure: ImageFailure;

  constructor(failure: ImageFailure, cause: unknown) {
    if (cause instanceof PipelineError) {
      const { problem, code, fix, details } = cause;
      super(problem, { code, fix, details, cause });
    } else {
      super(cause instanceof Error ? cause.message : String(cause), { code: CODES[failure], cause });
    }
    this.failure = failure;
  }
}
