// The library of users: what `smolvm` does, for programs.
export { Cache, defaultCacheDirectory } from "./cache.ts";
export {
  type BuiltImage,
  ImageBuilder,
  type ImageBuilderOptions,
  qemuKernelUrlForHost,
  SSH_BOOT_ARGS,
} from "./image-builder.ts";
export { ImageError, type ImageFailure } from "./image-error.ts";
export { type BaseQuery, type ImageQuery, loadManifest } from "./manifest.ts";
export { ensureBase, ensureImage, type LocalImage, type PullOptions, type Timings } from "./pull.ts";
export { type Started, type StartOptions, start } from "./start.ts";
