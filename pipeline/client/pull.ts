import { basename } from "node:path";
import type { Manifest } from "../schema/manifest.ts";
import { PipelineError } from "../util/error.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { Cache } from "./cache.ts";
import { type Downloaded, download, NotFetched } from "./download.ts";
import { isBuiltHere, lookUp, storeOf } from "./local-store.ts";
import {
  type BaseQuery,
  findBase,
  findImage,
  type ImageQuery,
  loadManifest,
  type Remote,
} from "./manifest.ts";
import { mirrorsOf } from "./mirrors.ts";
import type { PullPatience } from "./patience.ts";

/** The sources of images, and the cache that they are stored in. */
export interface PullOptions {
  /** @default ~/.smolvm/images, or SMOLVM_CACHE */
  readonly cacheDir?: string | undefined;
  /** Directories and http(s) addresses with the release's files, tried in order before GitHub. @default none */
  readonly mirrors?: readonly string[] | undefined;
  /**
   * A manifest, or its path or address. @default the manifest of this package or project; in a checkout, and without
   * `mirrors`, also the images that were built there with `npx smolvm-images cell`
   */
  readonly manifest?: Manifest | string | undefined;
  readonly patience?: Partial<PullPatience> | undefined;
  /** Progress and cancellation. @default none */
  readonly run?: Run | undefined;
}

/** The local files of an image. They are in a shared cache: do not write to them. */
export interface LocalImage {
  readonly kernelPath: string;
  readonly rootfsPath: string;
  readonly flavor: string;
  readonly timings: Timings;
}

/** How long each part took, ms. `downloadMs` is 0 if nothing was downloaded. */
export interface Timings {
  readonly lookupMs: number;
  readonly downloadMs: number;
  /** From the last downloaded byte until the file was unpacked and its hash compared, ms. */
  readonly finishMs: number;
}

/** The estimated ratio of a root file system's unpacked size to its packed size. (Measured for codex: 4.5.) */
const UNPACKED = 6;

/**
 * The local kernel and root file system of a preset. Downloads what is not in the cache.
 * @throws PipelineError if there is no such image, or no source has the right bytes
 */
export const ensureImage = (query: ImageQuery, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findImage(manifest, query));

/**
 * The local kernel and root file system of a base. Downloads what is not in the cache. @throws PipelineError as
 * `ensureImage` does
 */
export const ensureBase = (query: BaseQuery = {}, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findBase(manifest, query));

/** Looks something up in the manifest that the options select. */
async function find<T>(
  { manifest, mirrors = [], run = unwatched() }: PullOptions,
  look: (manifest: Manifest) => T,
): Promise<T> {
  if (manifest === undefined && mirrors.length === 0) return await lookUp(look, run);
  return look(typeof manifest === "object" ? manifest : await loadManifest(manifest, run.signal));
}

async function ensure(
  options: PullOptions,
  look: (manifest: Manifest) => { kernel: Remote; rootfs: Remote; flavor: string },
): Promise<LocalImage> {
  const started = performance.now();
  const mirrors = await mirrorsOf(options.mirrors ?? []);
  const { kernel, rootfs, flavor } = await find(options, look);
  const { run = unwatched() } = options;
  if (isBuiltHere(kernel) || isBuiltHere(rootfs)) run.progress.step(builtHereTitle(kernel, rootfs));
  const cache = new Cache(options.cacheDir);
  const [kernelThere, rootfsThere] = [
    await cache.find(kernel.sha256, run),
    await cache.find(rootfs.sha256, run),
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
  const needed = (kernelThere ? 0 : (kernel.size ?? 0)) + (rootfsThere ? 0 : UNPACKED * (rootfs.size ?? 0));
  await cache.checkRoom(needed);
  const took: Downloaded[] = [];
  const ensureFile = (remote: Remote, unpack: boolean, of: string | null) =>
    withRebuildAdvice(remote, () =>
      cache.ensure({ sha256: remote.sha256, asset: assetOf(remote), flavor: of }, run, async (partial) => {
        run.progress.step(`fetch ${assetOf(remote)}`);
        const { patience } = options;
        const downloaded = await download({ remote, mirrors, unpack, patience }, partial, run);
        took.push(downloaded);
        return downloaded;
      }),
    );
  const kernelPath = await ensureFile(kernel, false, null);
  const rootfsPath = await ensureFile(rootfs, true, flavor);
  const sum = (key: "downloadMs" | "finishMs") => took.reduce((total, each) => total + each[key], 0);
  return {
    kernelPath,
    rootfsPath,
    flavor,
    timings: { lookupMs, downloadMs: sum("downloadMs"), finishMs: sum("finishMs") },
  };
}

/** If a locally built file is not valid, the error says how to rebuild it. */
async function withRebuildAdvice<T>(remote: Remote, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NotFetched && isBuiltHere(remote))) throw error;
    throw new PipelineError(error.problem, {
      ...{
        code: error.code,
        fix: "rebuild its cell with `npx smolvm-images cell ID --no-cache`",
        cause: error,
      },
    });
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

const assetOf = ({ url }: Remote) => basename(new URL(url).pathname);
