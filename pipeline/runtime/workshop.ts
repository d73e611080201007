import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { type BuildOptions, buildImage, hasFile } from "../image/docker/container-image.ts";
import { connect, removeAbandonedContainers } from "../image/docker/engine.ts";
import type { Network } from "../image/docker/network.ts";
import { dockerArch, ensureCrossTools, ensureTools } from "../image/docker/tools-image.ts";
import type { Overridable } from "../plan/freshness.ts";
import type { BaseCell, Cell, Cells, PresetCell } from "../schema/cells.ts";
import type { Arch } from "../schema/names.ts";
import { StagingDirectory } from "../stores/directory/staging.ts";
import { PipelineError } from "../util/error.ts";
import { isAlive } from "../util/process.ts";
import type { Run } from "../util/progress.ts";
import type { Accel } from "../vm/accel.ts";
import type { Kernel } from "../vm/proof/verify.ts";
import { archsFor, checkArchs } from "./archs.ts";

/** The user's options for running cells. Everything else is in `out/cells.json`. */
export interface CellOptions extends Overridable {
  readonly root: string;
  readonly network: Network;
  /** Rebuild everything and ignore all caches except downloads. */
  readonly noCache: boolean;
  /** The staging directory. @default out/release/<tag> */
  readonly store?: string | undefined;
  /** Boot with this kernel instead of the pipeline's. */
  readonly kernel?: Kernel | undefined;
  /** Fail if something differs from its declaration. @default false: the cell is made, and its facts record the difference */
  readonly asDeclared?: boolean | undefined;
  /** Record the listing of each image, so that later builds can be compared with it. @default false */
  readonly record?: boolean | undefined;
  /** The accelerator that runs guests. @default KVM if it works, else emulation */
  readonly accel?: Accel | undefined;
  /** The time limit for the SSH login, ms. @default LOGIN_MS, by accelerator */
  readonly bootTimeoutMs?: number | undefined;
  /**
   * A directory of saved container images of bases and of compressed frames. They are loaded from there, and new ones are
   * saved there. @default none for container images; frames are in `out/cache/frames`
   */
  readonly bases?: string | undefined;
  /** Whether the stage `container` compresses the base's frames, too. @default false */
  readonly frames?: boolean | undefined;
  /** Values of the build's environment that no image may contain. */
  readonly secrets: readonly { readonly name: string; readonly value: string }[];
}

/** The environment in which cells are made: the connection to Docker, the directories, and what all cells share. */
export interface Workshop {
  readonly options: CellOptions;
  readonly cells: Cells;
  readonly run: Run;
  readonly docker: Docker;
  /** The arch of the machine on which Docker runs. */
  readonly arch: Arch;
  /** The archs whose programs Docker runs: its own and, if it emulates that, the one of the cells. */
  readonly archs: readonly Arch[];
  /** The name of the tool container's image. */
  readonly tools: string;
  /** Whether its packages came from the current archive, and not from the archive of the declared instant. */
  readonly toolsLive: boolean;
  readonly cache: string;
  /** SOURCE_DATE_EPOCH: seconds since 1970. */
  readonly epoch: number;
  readonly staging: StagingDirectory;
}

/**
 * Connects to Docker, checks that it can build `selected`, removes what killed processes have left, and builds the tool
 * container if needed. @throws PipelineError
 */
export async function openWorkshop(
  cells: Cells,
  selected: readonly Cell[],
  options: CellOptions,
  run: Run,
): Promise<Workshop> {
  const docker = await connect();
  const arch = await dockerArch(docker);
  const archs = await archsFor(docker, arch, selected);
  checkArchs(selected, arch, archs, run.progress);
  await removeAbandonedContainers(docker);
  const out = join(options.root, "out");
  const cache = join(out, "cache");
  const epoch = options.epoch ?? cells.source_date_epoch;
  await removeAbandonedDirectories(join(out, "images"));
  const settings = { root: options.root, cache, sourceDateEpoch: epoch, network: options.network };
  const tools = await ensureTools(docker, cells.tools, settings, run);
  return {
    options,
    cells,
    run,
    docker,
    cache,
    epoch,
    arch,
    archs,
    tools,
    toolsLive: await hasFile(docker, tools, LIVE),
    staging: new StagingDirectory(options.store ?? join(out, "release", cells.tag)),
  };
}

/** Runs `docker build` with a root file system's recipe. The result is the container image `tag`. */
export async function buildRecipe(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  tag: string,
  args: Readonly<Record<string, string>>,
  programs: BuildOptions["programs"] = [],
): Promise<void> {
  const { docker, options, run } = workshop;
  const { root, network, noCache } = options;
  const tools = await toolsFor(workshop, cell.arch);
  run.progress.step(`docker build ${cell.dockerfile}`);
  const { dockerfile, files, arch } = cell;
  const recipe = { dockerfile, files, programs, arch, tag, args: { ...args, TOOLS: tools } };
  await buildImage(docker, { ...recipe, root, network, noCache }, run);
}

/** The image of the tool container that recipes of an arch copy Node from and run npm in. */
async function toolsFor(workshop: Workshop, arch: Arch): Promise<string> {
  const { docker, options, tools, cache, epoch, run } = workshop;
  if (arch === workshop.arch) return tools;
  const settings = { root: options.root, cache, sourceDateEpoch: epoch, network: options.network };
  return await ensureCrossTools(docker, tools, arch, settings, run);
}

/** The directory for a cell's files between its stages. */
export const cellDirectory = (workshop: Workshop, cell: Cell) =>
  join(workshop.options.root, "out", "images", cell.id);

/** Runs `work` with a temporary directory of this process, and removes the directory afterwards. */
export async function inWorkDirectory<T>(
  workshop: Workshop,
  cell: Cell,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = `${cellDirectory(workshop, cell)}.${process.pid}`;
  await mkdir(directory, { recursive: true });
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Removes the work directories of processes that no longer run, and nothing else in `images`. */
export async function removeAbandonedDirectories(images: string): Promise<void> {
  for (const entry of await readdir(images, { withFileTypes: true }).catch(() => [])) {
    const pid = WORK_DIRECTORY.exec(entry.name)?.[1];
    if (!pid || !entry.isDirectory() || isAlive(Number(pid))) continue;
    await rm(join(images, entry.name), { recursive: true, force: true });
  }
}

/** The name of a work directory: a cell's id and a pid. */
const WORK_DIRECTORY = /^[a-z][a-z0-9-]*-(?:amd64|arm64)(?:-[a-z0-9-]+)?\.(\d+)$/;

/** This file is in a container image if its packages did not come from the archive of the declared instant. */
export const LIVE = "/tmp/network/live";

/** The error for a verify stage without a build stage before it. */
export const notBuilt = ({ id }: Cell) =>
  new PipelineError(`${id} is not built yet`, {
    ...{ code: "not-built", fix: `run \`npx smolvm-images cell ${id} --stage build\` first` },
  });
