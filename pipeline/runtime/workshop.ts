import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { buildImage, hasFile } from "../image/docker/container-image.ts";
import { connect, removeAbandonedContainers } from "../image/docker/engine.ts";
import type { Network } from "../image/docker/network.ts";
import { dockerArch, ensureTools } from "../image/docker/tools-image.ts";
import type { Overridable } from "../plan/freshness.ts";
import type { BaseCell, Cell, Cells, PresetCell } from "../schema/cells.ts";
import { buildsOn } from "../schema/kinds/index.ts";
import type { Arch } from "../schema/names.ts";
import { StagingDirectory } from "../stores/directory/staging.ts";
import { PipelineError } from "../util/error.ts";
import { isAlive } from "../util/process.ts";
import type { Run } from "../util/progress.ts";
import type { Accel } from "../vm/accel.ts";
import type { Kernel } from "../vm/proof/verify.ts";

/** What a user may set when cells are run; everything else is in `out/cells.json`. */
export interface CellOptions extends Overridable {
  readonly root: string;
  readonly network: Network;
  /** Build every step anew. */
  readonly noCache: boolean;
  /** Where finished cells go. @default out/release/<tag> */
  readonly store?: string | undefined;
  /** Boot with this kernel instead of the pipeline's. */
  readonly kernel?: Kernel | undefined;
  /** Refuse what could not be had as it is declared. @default false: it is made, and its facts say so */
  readonly asDeclared?: boolean | undefined;
  /** Record what is in each image, for later ones to be compared with. @default false */
  readonly record?: boolean | undefined;
  /** What runs guests. @default KVM where it works, else emulation */
  readonly accel?: Accel | undefined;
  /** How long a machine has until its SSH login, ms. @default by accelerator */
  readonly bootTimeoutMs?: number | undefined;
  /** A directory that container images of bases are taken from, and put into when they are built. */
  readonly bases?: string | undefined;
  /** Values of this build's environment that no image may hold. */
  readonly secrets: readonly { readonly name: string; readonly value: string }[];
}

/** Where cells are made: the connection to Docker, the directories, and what all cells share. */
export interface Workshop {
  readonly options: CellOptions;
  readonly cells: Cells;
  readonly run: Run;
  readonly docker: Docker;
  /** The arch of the machine that Docker runs on, and so of what can be built. */
  readonly arch: Arch;
  /** The tool container's image. */
  readonly tools: string;
  /** Whether its packages are those of the day on which it was made. */
  readonly toolsLive: boolean;
  readonly cache: string;
  readonly epoch: number;
  readonly store: StagingDirectory;
}

export async function openWorkshop(cells: Cells, options: CellOptions, run: Run): Promise<Workshop> {
  const docker = await connect();
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
    arch: await dockerArch(docker),
    tools,
    toolsLive: await hasFile(docker, tools, LIVE),
    store: new StagingDirectory(options.store ?? join(out, "release", cells.tag)),
  };
}

/** `docker build` of a root file system's recipe, as the image `tag`. */
export async function buildRecipe(
  { docker, options, tools, run }: Workshop,
  cell: BaseCell | PresetCell,
  tag: string,
  args: Readonly<Record<string, string>>,
): Promise<void> {
  run.progress.step(`docker build ${cell.dockerfile}`);
  const { root, network, noCache } = options;
  const { dockerfile, files, arch } = cell;
  const recipe = { dockerfile, files, arch, tag, args: { ...args, TOOLS: tools } };
  await buildImage(docker, { ...recipe, root, network, noCache }, run);
}

/** What a cell leaves between its stages. */
export const cellDirectory = (workshop: Workshop, cell: Cell) =>
  join(workshop.options.root, "out", "images", cell.id);

/** Runs `work` in a directory of this process alone, which is gone afterwards, whatever happens. */
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

/** Removes the work directories of processes that were killed, and nothing else that is beside them. */
export async function removeAbandonedDirectories(images: string): Promise<void> {
  for (const entry of await readdir(images, { withFileTypes: true }).catch(() => [])) {
    const pid = WORK_DIRECTORY.exec(entry.name)?.[1];
    if (!pid || !entry.isDirectory() || isAlive(Number(pid))) continue;
    await rm(join(images, entry.name), { recursive: true, force: true });
  }
}

/** A cell's id, and the process that works on it. */
const WORK_DIRECTORY = /^[a-z][a-z0-9-]*-(?:amd64|arm64)(?:-[a-z0-9-]+)?\.(\d+)$/;

/** Left in a container whose packages did not come from the archive of the declared instant. */
export const LIVE = "/tmp/network/live";

/** For a stage that finds nothing of the stage before it. */
export const notBuilt = ({ id }: Cell) =>
  new PipelineError(`${id} is not built`, {
    ...{ code: "not-built", fix: `run \`npx smolvm-images cell ${id} --stage build\` first` },
  });

/** @throws PipelineError when the machine's Docker cannot build for the cell's arch */
export function checkArch(workshop: Workshop, cell: Cell): void {
  if (buildsOn(workshop.arch, cell)) return;
  throw new PipelineError(
    `${cell.id} is built on ${cell.arch}, and this machine's Docker runs on ${workshop.arch}`,
    { code: "wrong-arch", fix: "run it on a machine of that arch (the workflow does)" },
  );
}
