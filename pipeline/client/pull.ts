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

/** Where images come from and go to. */
export interface PullOptions {
  /** @default ~/.smolvm/images, or SMOLVM_CACHE */
  readonly cacheDir?: string | undefined;
  /** Directories and addresses that have the release's files, tried in order before GitHub. */
  readonly mirrors?: readonly string[] | undefined;
  /**
   * A manifest, or where one is. @default the one that this package was released with; in a checkout, and without
   * mirrors, also what it has built (`npx smolvm-images cell`)
   */
  readonly manifest?: Manifest | string | undefined;
  readonly patience?: Partial<PullPatience> | undefined;
  /** Progress and cancellation. @default none */
  readonly run?: Run | undefined;
}

/** Files on this machine that a machine can be started from; they are shared, and not to be written to. */
export interface LocalImage {
  readonly kernelPath: string;
  readonly rootfsPath: string;
  readonly flavor: string;
  readonly timings: Timings;
}

/** How long each part took, ms; nothing was downloaded where that is 0. */
export interface Timings {
  readonly lookupMs: number;
  readonly downloadMs: number;
  /** What was left to do when the last byte had come: unpacking, and comparing the hash. */
  readonly finishMs: number;
}

/** How much more a root file system takes unpacked than packed, at most: measured, 4.5 for codex. */
const UNPACKED = 6;

/**
 * The kernel and root file system of an image, from the cache or from the release.
 * @throws PipelineError when there is no such image, or no source has the right bytes
 */
export const ensureImage = (query: ImageQuery, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findImage(manifest, query));

/** The same for a bare base. */
export const ensureBase = (query: BaseQuery = {}, options: PullOptions = {}): Promise<LocalImage> =>
  ensure(options, (manifest) => findBase(manifest, query));

/** Looks something up in the manifest that the options mean. */
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
  if (isBuiltHere(kernel) || isBuiltHere(rootfs)) run.progress.step(saysBuilt(kernel, rootfs));
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
    builtAgain(remote, () =>
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

/** What is wrong with a file that this checkout has built, building it again mends. */
async function builtAgain<T>(remote: Remote, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NotFetched && isBuiltHere(remote))) throw error;
    throw new PipelineError(error.problem, {
      ...{ code: error.code, fix: "build its cell again with --no-cache", cause: error },
    });
  }
}

function saysBuilt(kernel: Remote, rootfs: Remote): string {
  const [ours] = [kernel, rootfs].filter(isBuiltHere);
  const what = !isBuiltHere(rootfs) ? "the kernel that" : isBuiltHere(kernel) ? "what" : "the image that";
  return `using ${what} this checkout has built: ${storeOf(ours!)}`;
}

const assetOf = ({ url }: Remote) => basename(new URL(url).pathname);
