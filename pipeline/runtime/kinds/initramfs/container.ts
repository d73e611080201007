import { join } from "node:path";
import { buildImage, hasFile } from "../../../image/docker/container-image.ts";
import { importRootfs } from "../../../image/rootfs/source.ts";
import type { InitramfsCell, RootfsSource } from "../../../schema/cells.ts";
import type { InitramfsFacts } from "../../../schema/facts.ts";
import { initramfsBuildArgs } from "../../../schema/initramfs/build-args.ts";
import { type FetchedProgram, fetchProgram } from "../../programs.ts";
import { LIVE, type Workshop } from "../../workshop.ts";
import { sourcesOf } from "../base/container.ts";

/** The container image of an appliance: its root file system, and its kernel in `/boot`. */
export interface ApplianceContainer {
  /** The name of the container image. */
  readonly image: string;
  /** The root file system that the userland was made from. */
  readonly source: string;
  readonly programs: InitramfsFacts["programs"];
  /** How it was not made as declared, although the user did not ask for it. */
  readonly overrides: readonly string[];
  /** What the build printed. */
  readonly log: readonly string[];
}

/**
 * Builds the container image of an appliance. @throws PipelineError if a source or a program cannot be fetched, or a step of
 * the recipe fails
 * @param cell with the variables of the environment applied
 * @param inputs the inputs hash of the cell with these variables
 * @param directory for downloads that are not kept
 */
export async function buildContainer(
  workshop: Workshop,
  cell: InitramfsCell,
  inputs: string,
  directory: string,
): Promise<ApplianceContainer> {
  const { docker, options, run, cache } = workshop;
  const { root, network, noCache } = options;
  const sources = sourcesOf(workshop, cell);
  const userland = await imported(workshop, cell, sources);
  const kernel = await imported(workshop, cell, cell.kernel.sources);
  const programs: FetchedProgram[] = [];
  for (const program of cell.programs) {
    const wanted = { ...program, sha256: cell.verify_checksums ? program.sha256 : null };
    const from = cell.cache_downloads ? join(cache, "programs") : join(directory, "programs");
    programs.push(await fetchProgram(wanted, { directory: from, declaredBy: "appliance" }, run));
  }
  run.progress.step(`docker build ${cell.dockerfile}`);
  const { id, arch, dockerfile, files } = cell;
  const image = `smolvm/${id}:${inputs.slice(0, 12)}`;
  const args = { ...initramfsBuildArgs(cell), ROOTFS: userland.image, KERNEL_ROOTFS: kernel.image };
  const log: string[] = [];
  const recipe = { root, dockerfile, files, programs, arch, tag: image, args, network, noCache };
  await buildImage(docker, { ...recipe, onLine: (line) => void log.push(line) }, run);
  return {
    ...{ image, log, source: userland.source },
    programs: programs.map(({ path, url, sha256, version }, index) => {
      const declared = cell.programs[index]!;
      return { path, repository: declared.repository, version: version ?? declared.version, url, sha256 };
    }),
    overrides: [
      ...((await hasFile(docker, image, LIVE)) || (await hasFile(docker, image, KERNEL_LIVE))
        ? ["apt=live"]
        : []),
      ...(userland.from === sources[0] ? [] : [`source=${userland.source}`]),
      ...(kernel.from === cell.kernel.sources[0] ? [] : [`kernel source=${kernel.source}`]),
    ],
  };
}

/** This file is in the image if the kernel did not come from the archive of the declared instant. */
const KERNEL_LIVE = "/boot/live";

const imported = (
  { docker, options, run, epoch, cache }: Workshop,
  { arch }: InitramfsCell,
  sources: readonly RootfsSource[],
) =>
  importRootfs(
    docker,
    sources,
    {
      ...{ arch, sourceDateEpoch: epoch, cache: join(cache, "rootfs") },
      ...{ network: options.network, noCache: options.noCache },
    },
    run,
  );
