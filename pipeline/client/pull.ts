import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DEFAULT_VMM } from "../schema/defaults.ts";
import type { Manifest } from "../schema/manifest.ts";
import {
  type Arch,
  assetNameOf,
  isCompressed,
  type KernelFormat,
  kernelFormatOf,
  type Vmm,
} from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { SHA256 } from "../util/hash.ts";
import { placeOf } from "../util/place.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { hostArch } from "../vm/accel.ts";
import { Cache, type Wanted } from "./cache.ts";
import { type DownloadOptions, download, type Fetched } from "./download.ts";
import type { Framed } from "./frames/reuse.ts";
import { ImageError } from "./image-error.ts";
import { loadManifest, offeredManifest } from "./load-manifest.ts";
import { isBuiltHere, lookUp, storeOf } from "./local-store.ts";
import {
  type BaseQuery,
  findBase,
  findImage,
  findKernel,
  type ImageQuery,
  NotOffered,
  type Remote,
} from "./manifest.ts";
import { mirrorsOf } from "./mirrors.ts";
import type { PullPatience } from "./patience.ts";
import type { ProvenanceOptions } from "./provenance.ts";

/** The sources of images, and the cache that they are stored in. */
export interface PullOptions extends ProvenanceOptions {
  /** @default ~/.smolvm/images, or SMOLVM_CACHE */
  readonly cacheDir?: string | undefined;
  /** Directories and http(s) addresses with the release's files, tried in order before GitHub. @default none */
  readonly mirrors?: readonly string[] | undefined;
  /**
   * A manifest, or its path or address. @default the manifest of this package or project; in a checkout, and without
   * `mirrors`, also the images that were built there with `npx smolvm-images cell`
   */
  readonly manifest?: Manifest | string | undefined;
  /** How long to wait and how often to try again. @default 5 tries; see `PullPatience` */
  readonly patience?: Partial<PullPatience> | undefined;
  /**
   * Called before anything is downloaded, with the size of the unpacked root file system, bytes, if the manifest has it.
   * What it throws ends the call. @default none
   */
  readonly checkImage?: ((imageSize: number | undefined) => void) | undefined;
  /** Progress and cancellation. @default none */
  readonly run?: Run | undefined;
}

/** The local files of an image. They are in a shared cache: do not write to them. */
export interface LocalImage {
  /** The absolute path of the kernel. */
  readonly kernelPath: string;
  /** The absolute path of the ext4 image, unpacked. Machines share it, so do not write to it. */
  readonly rootfsPath: string;
  /** The flavor of the image: the one that was asked for, or the default one. */
  readonly flavor: string;
  /** How long the parts took. */
  readonly timings: Timings;
  /** What was downloaded of the root file system, if the rest was copied from other cached images. */
  readonly fetched?: FetchedShare | undefined;
}

/** How much of a file was downloaded, bytes. */
export interface FetchedShare {
  /** What was downloaded, bytes. */
  readonly fetched: number;
  /** The size of the whole file, bytes. */
  readonly size: number;
}

/** How long each part took, ms. `downloadMs` is 0 if nothing was downloaded. */
export interface Timings {
  /** Until it was known what is cached, ms. */
  readonly lookupMs: number;
  /** The download, ms. */
  readonly downloadMs: number;
  /** From the last downloaded byte until the file was unpacked and its hash compared, ms. */
  readonly finishMs: number;
}

/**
 * The estimated ratio of a root file system's size on disk to its packed size, if the manifest does not have its size.
 * (Measured for codex: 4.5.)
 */
const UNPACKED = 6;
/** The ratio of a root file system's size on disk to the total size of its files. (Measured for codex on debian: 1.04.) */
const ON_DISK = 1.1;

/** A file by its address alone. */
export interface FileQuery {
  /** A path, or a file:, http: or https: address. A file whose name ends in `.zst` is unpacked. */
  readonly url: string;
  /** The sha256 of the file at the address, before it is unpacked. */
  readonly sha256: string;
}

/** Identifies a kernel. */
export interface KernelQuery {
  /** @default the host's */
  readonly arch?: Arch | undefined;
  /** @default DEFAULT_VMM */
  readonly vmm?: Vmm | undefined;
  /** @default the format that the VMM loads */
  readonly format?: KernelFormat | undefined;
}

/**
 * The local kernel and root file system of a preset. Downloads what is not in the cache.
 * @throws NotOffered if there is no such image
 * @throws ImageError (`download`) if no source has the right bytes
 * @throws PipelineError if the cache cannot be used, or an option is not valid
 */
export const ensureImage = (query: ImageQuery, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findImage(manifest, query));

/**
 * The local kernel and root file system of a base. Downloads what is not in the cache. @throws PipelineError as
 * `ensureImage` does
 */
export const ensureBase = (query: BaseQuery = {}, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findBase(manifest, query));

/**
 * The path of a local kernel. Downloads it if it is not in the cache.
 * @param query which kernel of the manifest; or a file
 * @throws PipelineError as `ensureImage` does
 */
export async function ensureKernel(
  query: KernelQuery | FileQuery = {},
  options: PullOptions = {},
): Promise<string> {
  if ("url" in query) return await ensureNamed(query, options);
  const { arch = hostArch(), vmm = DEFAULT_VMM, format = kernelFormatOf(vmm, arch) } = query;
  const kernel = await find(options, (manifest) => findKernel(manifest, arch, format));
  return await ensureAlone(kernel, options);
}

/**
 * The path of a local root file system, without a manifest. Downloads it if it is not in the cache; unpacks it if its
 * name ends in `.zst`. @throws PipelineError as `ensureImage` does
 */
export const ensureRootfs = (file: FileQuery, options: PullOptions = {}): Promise<string> =>
  ensureNamed(file, options);

/**
 * Whether an image is published: whether the manifest has it. Images that were built locally do not count.
 * @throws PipelineError if the manifest cannot be read
 */
export async function isPublished(
  query: ImageQuery,
  options: Pick<PullOptions, "manifest" | "run"> & ProvenanceOptions = {},
): Promise<boolean> {
  const found = await manifestIn(options);
  try {
    findImage(found, query);
    return true;
  } catch (error) {
    if (error instanceof NotOffered) return false;
    throw error;
  }
}

/** Looks something up in the manifest that the options select. */
async function find<T>(options: PullOptions, look: (manifest: Manifest) => T): Promise<T> {
  const { manifest, mirrors = [], run = unwatched() } = options;
  if (manifest === undefined && mirrors.length === 0) return await lookUp(look, run, undefined, options);
  return look(await manifestIn(options));
}

async function manifestIn(
  options: Pick<PullOptions, "manifest" | "run"> & ProvenanceOptions,
): Promise<Manifest> {
  const { manifest, run = unwatched() } = options;
  if (manifest === undefined) return await offeredManifest(run, undefined, options);
  if (typeof manifest !== "object") return await loadManifest(manifest, run.signal, options);
  if (options.verifyProvenance) throw unverifiable("a manifest that is given as an object");
  return manifest;
}

const unverifiable = (what: string): PipelineError =>
  new PipelineError(`verifyProvenance verifies the attestation of a manifest, and ${what} has none`, {
    fix: "omit verifyProvenance, or give the path or address of a manifest",
  });

async function ensure(
  options: PullOptions,
  look: (manifest: Manifest) => { kernel: Remote; rootfs: Remote; flavor: string },
): Promise<LocalImage> {
  const started = performance.now();
  const mirrors = await mirrorsOf(options.mirrors ?? []);
  const { kernel, rootfs, flavor } = await find(options, look);
  options.checkImage?.(rootfs.image?.size);
  const { run = unwatched() } = options;
  if (isBuiltHere(kernel) || isBuiltHere(rootfs)) run.progress.step(builtHereTitle(kernel, rootfs));
  const cache = new Cache(options.cacheDir);
  const wanted = [wantedOf(kernel, null), wantedOf(rootfs, flavor)] as const;
  const [kernelThere, rootfsThere] = [
    await cache.find(kernel.sha256, run, wanted[0]),
    await cache.find(rootfs.sha256, run, wanted[1]),
  ];
  const lookupMs = performance.now() - started;
  if (kernelThere && rootfsThere) {
    return {
      kernelPath: kernelThere,
      rootfsPath: rootfsThere,
      flavor,
      timings: { lookupMs, downloadMs: 0, finishMs: 0 },
    };
  }
  await cache.checkRoom((kernelThere ? 0 : roomOf(kernel)) + (rootfsThere ? 0 : roomOf(rootfs)));
  const took: Fetched[] = [];
  const ensureFile = (remote: Remote, about: Wanted) =>
    withRebuildAdvice(remote, () => {
      const source = { remote, mirrors, patience: options.patience };
      return fetchInto(cache, about, source, run, (downloaded) => took.push(downloaded));
    });
  const kernelPath = await ensureFile(kernel, wanted[0]);
  const ofKernel = took.length;
  const rootfsPath = await ensureFile(rootfs, wanted[1]);
  const ofRootfs = took[ofKernel];
  const sum = (key: "downloadMs" | "finishMs") => took.reduce((total, each) => total + each[key], 0);
  return {
    kernelPath,
    rootfsPath,
    flavor,
    timings: { lookupMs, downloadMs: sum("downloadMs"), finishMs: sum("finishMs") },
    ...(ofRootfs && ofRootfs.wireSize < ofRootfs.size
      ? { fetched: { fetched: ofRootfs.wireSize, size: ofRootfs.size } }
      : {}),
  };
}

/** A file that no manifest names. The caller has its sha256 from elsewhere. */
async function ensureNamed(file: FileQuery, options: PullOptions): Promise<string> {
  if (options.verifyProvenance) throw unverifiable("a file that is given by its address and sha256");
  return await ensureAlone(file, options);
}

/** A file alone, without the image that it belongs to. */
async function ensureAlone(
  file: FileQuery & Partial<Pick<Remote, "size" | "image">>,
  { cacheDir, mirrors: given = [], patience, run = unwatched() }: PullOptions,
): Promise<string> {
  const { sha256, size, image } = file;
  if (!SHA256.test(sha256)) {
    throw new PipelineError(`sha256 "${sha256}" is not a sha256`, { fix: "give 64 lower-case hex digits" });
  }
  const place = placeOf("url", file.url);
  const url = place.kind === "path" ? pathToFileURL(resolve(place.path)).href : place.url;
  const remote = { url, sha256, size, image };
  const mirrors = await mirrorsOf(given);
  const cache = new Cache(cacheDir);
  const wanted = wantedOf(remote, null);
  const there = await cache.find(sha256, run, wanted);
  if (there) return there;
  await cache.checkRoom(roomOf(remote));
  return await fetchInto(cache, wanted, { remote, mirrors, patience }, run);
}

const wantedOf = ({ url, sha256, image }: Remote, flavor: string | null): Wanted => ({
  ...{ sha256, asset: assetNameOf(url), flavor, image },
});

/** Downloads a file into the cache, unless it is there, and returns its path there. */
async function fetchInto(
  cache: Cache,
  wanted: Wanted,
  source: Omit<DownloadOptions, "unpack">,
  run: Run,
  onDownloaded: (downloaded: Fetched) => void = () => {},
): Promise<string> {
  return await cache.ensure(wanted, run, async (partial) => {
    run.progress.step(`fetch ${wanted.asset}`);
    const unpack = isCompressed(wanted.asset);
    const framed = unpack ? await framedOf(source.remote, wanted, cache) : undefined;
    const downloaded = await download({ ...source, unpack, framed }, partial, run);
    onDownloaded(downloaded);
    return { ...downloaded, wireSize: downloaded.size };
  });
}

/** What is needed to put an asset together from frames; undefined if the manifest does not have all of it. */
async function framedOf(
  { size, image, frames }: DownloadOptions["remote"],
  { asset }: Wanted,
  cache: Cache,
): Promise<Framed | undefined> {
  if (size === undefined || !image || !frames) return undefined;
  return { asset, size, image, frames, cached: await cache.withTables() };
}

/** The room that a file takes in the cache, bytes. Empty blocks of an image take none. */
function roomOf({ url, size = 0, image }: Remote): number {
  if (!isCompressed(assetNameOf(url))) return size;
  if (!image) return UNPACKED * size;
  return Math.min(image.size, (image.contentSize ?? image.size) * ON_DISK);
}

/** If a locally built file is not valid, the error says how to rebuild it. */
async function withRebuildAdvice<T>(remote: Remote, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ImageError && isBuiltHere(remote))) throw error;
    const { problem, code } = error;
    const fix = "rebuild its cell with `npx smolvm-images cell ID --no-cache`";
    throw new ImageError("download", new PipelineError(problem, { code, fix, cause: error }));
  }
}

function builtHereTitle(kernel: Remote, rootfs: Remote): string {
  const [ours] = [kernel, rootfs].filter(isBuiltHere);
  const what = !isBuiltHere(rootfs)
    ? "the kernel"
    : isBuiltHere(kernel)
      ? "the kernel and the image"
      : "the image";
  return `using ${what} built in this checkout: ${storeOf(ours!)}`;
}
