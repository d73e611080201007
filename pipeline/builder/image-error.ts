import { ImageError, type ImageFailure } from "../client/image-error.ts";
import { errorCode, PipelineError } from "../util/error.ts";

export { ImageError, type ImageFailure };

/** Runs one part of the build. @throws ImageError if it fails */
export async function failingAs<T>(failure: ImageFailure, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // A download is a part of something: of the kernel.
    if (error instanceof ImageError && error.failure !== "download") throw error;
    const full =
      errorCode(error) === "ENOSPC" || (error instanceof PipelineError && error.code === "disk-full");
    throw new ImageError(full ? "filesystem" : failure, error);
  }
}
