// The entry point `smolvm-images/builder`: builds custom images that are not cells of a project.
export type { NetworkOptions } from "../image/docker/network.ts";
export type { RootfsSource } from "../schema/cells.ts";
export { PipelineError } from "../util/error.ts";
export type { ErrorCode } from "../util/error-codes.ts";
export type { Progress, Run } from "../util/progress.ts";
export {
  type BuiltImage,
  ImageBuilder,
  type ImageBuilderOptions,
  qemuKernelUrlForHost,
  SSH_BOOT_ARGS,
} from "./image-builder.ts";
export { ImageError, type ImageFailure } from "./image-error.ts";
