import { errorCode, PipelineError } from "../util/error.ts";
import type { ErrorCode } from "../util/error-codes.ts";

/** Which part of making an image has failed. */
export type ImageFailure = "docker" | "build" | "key" | "filesystem" | "kernel";

/** What an error has for a code that brings none of its own. */
const CODES: Readonly<Record<ImageFailure, ErrorCode>> = {
  docker: "docker-unreachable",
  build: "docker-build-failed",
  key: "invalid-input",
  filesystem: "not-writable",
  kernel: "not-fetched",
};

/** An image of one's own could not be made; `cause` is why. */
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

/** Does one part of the work; what fails in it is an ImageError. */
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
