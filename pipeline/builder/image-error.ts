import { errorCode, PipelineError } from "../util/error.ts";
import type { ErrorCode } from "../util/error-codes.ts";

/** The part of the build that failed. */
export type ImageFailure = "docker" | "build" | "key" | "filesystem" | "kernel";

/** The code of an error that is not a PipelineError. */
const CODES: Readonly<Record<ImageFailure, ErrorCode>> = {
  docker: "docker-unreachable",
  build: "docker-build-failed",
  key: "invalid-input",
  filesystem: "not-writable",
  kernel: "not-fetched",
};

/** ImageBuilder could not build an image. `cause` is the reason. */
export class ImageError extends PipelineError {
  override readonly name = "ImageError";
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

/** Runs one part of the build. @throws ImageError if it fails */
export async function failingAs<T>(failure: ImageFailure, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const full =
      errorCode(error) === "ENOSPC" || (error instanceof PipelineError && error.code === "disk-full");
    throw new ImageError(full ? "filesystem" : failure, error);
  }
}
