import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hasFile } from "../../../image/docker/container-image.ts";
import { hasImage } from "../../../image/docker/engine.ts";
import { loadImage, saveImage } from "../../../image/docker/saved-image.ts";
import { listPaths } from "../../../image/rootfs/rootfs.ts";
import { importRootfs } from "../../../image/rootfs/source.ts";
import { APT_LIVE, inputsWith, overridesOf, rootfsFor } from "../../../plan/freshness.ts";
import type { BaseCell, RootfsSource } from "../../../schema/cells.ts";
import { DEFAULT_LEVEL } from "../../../schema/defaults.ts";
import { PipelineError } from "../../../util/error.ts";
import { readRecord } from "../../../util/record.ts";
import { writeWhole } from "../../../util/whole-file.ts";
import { fetchProgram } from "../../programs.ts";
import { buildRecipe, inWorkDirectory, LIVE, type Workshop } from "../../workshop.ts";

const WHAT = "the base's container image";

/** The record of a base's container image. */
const BaseRecord = z.strictObject({
  /** Its paths, in the order that presets on it keep. */
  paths: z.array(z.string()),
  /** The source of the root file system that its recipe started from. */
  source: z.string(),
  /** Whether that was not the first of the declared sources. */
  fallback: z.boolean(),
  /**
   * Whether packages came from the current archive, and not from the archive of the declared instant: its own, or those of
   * the tool container that it was made with. Another job may use it, whose tool container is another one.
   */
  live: z.boolean(),
});

/** A base's container image, with its record. */
export interface Base extends z.infer<typeof BaseRecord> {
  /** The name of the container image. */
  readonly image: string;
}

/** The user's options that change the container image of a base, sorted. The zstd level does not. */
const askedOverrides = ({ cells, options }: Workshop, { flavor }: BaseCell): string[] =>
  overridesOf(cells, { ...options, level: DEFAULT_LEVEL }, flavor);

/** The inputs hash of a base: its declared inputs, and what the user overrides. */
export const baseInputs = (workshop: Workshop, cell: BaseCell): string =>
  inputsWith(cell, askedOverrides(workshop, cell));

/** How a base's container image was not made as declared, although the user did not ask for it. */
export const madeOverrides = ({ live, fallback, source }: Omit<Base, "image" | "paths">): string[] => [
  ...(live ? [APT_LIVE] : []),
  ...(fallback ? [`source=${source}`] : []),
];

/** How a base's container image differs from its declaration. */
export const containerOverrides = (workshop: Workshop, cell: BaseCell, base: Base): string[] => [
  ...askedOverrides(workshop, cell),
  ...madeOverrides(base),
];

/** A base's container image: an existing one with the same inputs, or else a new one. */
export async function ensureContainer(workshop: Workshop, cell: BaseCell): Promise<Base> {
  const { docker, options, run } = workshop;
  const inputs = baseInputs(workshop, cell).slice(0, 12);
  const image = `smolvm/${cell.id}:${inputs}`;
  const directory = options.bases ?? join(workshop.cache, "bases");
  const record = join(directory, `${cell.id}-${inputs}.json`);
  const saved = join(directory, `${cell.id}-${inputs}.tar`);

  if (!options.noCache) {
    const known = await readRecord(record, BaseRecord);
    const there = known && ((await hasImage(docker, image)) || (await loadImage(docker, saved, WHAT, run)));
    if (there) return { image, ...known };
  }

  const base = await build(workshop, cell, image);
  const { image: _, ...known } = base;
  await mkdir(directory, { recursive: true });
  // The record is written last: where it is, the image is saved.
  if (options.bases) await saveImage(docker, image, saved, WHAT, run);
  await writeWhole(record, (partial) => writeFile(partial, JSON.stringify(known)));
  return base;
}

async function build(workshop: Workshop, cell: BaseCell, image: string): Promise<Base> {
  const { docker, options, run, epoch, cache } = workshop;
  const { network, noCache } = options;
  const sources = sourcesOf(workshop, cell);
  const imported = await importRootfs(
    docker,
    sources,
    { arch: cell.arch, sourceDateEpoch: epoch, network, cache: join(cache, "rootfs"), noCache },
    run,
  );
  const programs = [];
  for (const program of cell.programs ?? []) {
    const options = { directory: join(cache, "programs"), declaredBy: "base" };
    programs.push(await fetchProgram(program, options, run));
  }
  await buildRecipe(workshop, cell, image, { ROOTFS: imported.image }, programs);
  run.progress.step("list the base's paths");
  return {
    image,
    paths: await inWorkDirectory(workshop, cell, (directory) =>
      listPaths(docker, image, { directory, tools: workshop.tools }, run),
    ),
    source: imported.source,
    fallback: imported.from !== sources[0],
    live: workshop.toolsLive || (await hasFile(docker, image, LIVE)),
  };
}

/** The declared sources of a root file system, or the source that the user sets with --rootfs. @throws PipelineError if its hash is not known */
export function sourcesOf(
  workshop: Workshop,
  cell: Pick<BaseCell, "id" | "flavor" | "sources">,
): readonly RootfsSource[] {
  const rootfs = rootfsFor(workshop.options, cell.flavor);
  if (!rootfs) return cell.sources;
  const declared = cell.sources.find((source) => source.from === "tarball");
  const sha256 = rootfs.sha256 ?? declared?.sha256;
  if (!sha256) {
    throw new PipelineError(
      `--rootfs ${rootfs.from}: ${cell.id} declares no tarball, so its hash is not known`,
      {
        fix: `give the hash with --rootfs-sha256 ${cell.flavor}=HEX`,
      },
    );
  }
  return [{ from: "tarball", url: rootfs.from, sha256 }];
}
