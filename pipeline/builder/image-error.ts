import { errorCode, PipelineError } from "../util/error.ts";

/** Which part of making an image has failed. */
export type ImageFailure = "docker" | "build" | "key" | "filesystem" | "kernel";

/** An image of one's own could not be made; `cause` is why. */
export class ImageError extends PipelineError {
  override readonly name = "ImageError";
  readonly failure: ImageFailure;

  constructor(failure: ImageFailure, cause: unknown) {
    const details = cause instanceof PipelineError ? cause.details : [];
    super(cause instanceof Error ? cause.message : String(cause), { details, cause });
    this.failure = failure;
  }
}

/** Does one part of the work; what fails in it is an ImageError. */
export async function failingAs<T>(failure: ImageFailure, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError(errorCode(error) === "ENOSPC" ? "filesystem" : failure, error);
  }
}
