// The library of those who build an image of their own, outside the matrix.
export {
  type BuiltImage,
  ImageBuilder,
  type ImageBuilderOptions,
  qemuKernelUrlForHost,
  SSH_BOOT_ARGS,
} from "./image-builder.ts";
export { ImageError, type ImageFailure } from "./image-error.ts";
