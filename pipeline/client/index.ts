// The entry point `smolvm-images`: pulls images and starts machines, as the program `smolvm` does.

export type { FramesPlace } from "../schema/frames-place.ts";
export type { Manifest } from "../schema/manifest.ts";
export type { Arch, KernelFormat, Vmm } from "../schema/names.ts";
export type { Patience } from "../util/download/patience.ts";
export { PipelineError } from "../util/error.ts";
export type { ErrorCode } from "../util/error-codes.ts";
export type { Progress, Run } from "../util/progress.ts";
export type { Backoff } from "../util/retry.ts";
export type { Accel } from "../vm/accel.ts";
export type { CommandResult } from "../vm/command-result.ts";
export { Cache, type Cached, defaultCacheDirectory, type Wanted } from "./cache.ts";
export type { FrameTable } from "./frames/table.ts";
export { ImageError, type ImageFailure } from "./image-error.ts";
export { loadManifest } from "./load-manifest.ts";
export type { Machine } from "./machines/registry.ts";
export { type Started, type StartOptions, start } from "./machines/start.ts";
export { type BaseQuery, type ImageQuery, NotOffered } from "./manifest.ts";
export type { PullPatience } from "./patience.ts";
export type { ProvenanceOptions } from "./provenance.ts";
export {
  ensureBase,
  ensureImage,
  ensureKernel,
  ensureRootfs,
  type FetchedShare,
  type FileQuery,
  isPublished,
  type KernelQuery,
  type LocalImage,
  type PullOptions,
  type Timings,
} from "./pull.ts";
