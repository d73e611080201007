// The library of users: what `smolvm` does, for programs.
export { Cache, defaultCacheDirectory } from "./cache.ts";
export { type Started, type StartOptions, start } from "./machines/start.ts";
export { type BaseQuery, type ImageQuery, loadManifest } from "./manifest.ts";
export { ensureBase, ensureImage, type LocalImage, type PullOptions, type Timings } from "./pull.ts";
