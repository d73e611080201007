import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { compress } from "../../image/formats/zstd.ts";
import { checkBudget } from "../../image/rootfs/budget.ts";
import { compareListing } from "../../image/rootfs/listing.ts";
import { sbomFacts } from "../../image/rootfs/sbom.ts";
import { inputsWith, overridesOf } from "../../plan/freshness.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { DEFAULT_LEVEL, ZSTD_WINDOW_LOG } from "../../schema/defaults.ts";
import { RootfsFacts } from "../../schema/facts.ts";
import { presetOf } from "../../schema/kinds/index.ts";
import { readRecord } from "../../util/record.ts";
import { type Base, madeOverrides } from "../kinds/base/container.ts";
import { cellDirectory, inWorkDirectory, notBuilt, type Workshop } from "../workshop.ts";
import { makeImage } from "./frames.ts";
import { IMAGE } from "./image.ts";

/** `out/images/<id>/build.json`: the facts that the build stage passes to the verify stage. */
export const BuildFacts = RootfsFacts.omit({ boot: true, proven: true });
export type BuildFacts = z.infer<typeof BuildFacts>;

export const SBOM = "sbom.cdx.json";
export const BUILD_FACTS = "build.json";

/** The container image that a root file system is made from. */
export interface Layer {
  /** The name of the container image. */
  readonly image: string;
  /** The base itself, or the base of the preset. */
  readonly base: Base;
  /** The paths that come first in the image, in this order: those of a preset's base. Empty for a base. */
  readonly order: readonly string[];
  /** Whether the versions of its apk packages must be those of the recorded listing. */
  readonly recorded: boolean;
}

/** container image -> tar -> ext4 -> zst, into `out/images/<id>/`. @throws PipelineError if a step fails */
export async function buildRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  layer: Layer,
): Promise<BuildFacts> {
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const facts = await pack(workshop, cell, layer, directory);
    await writeFile(join(directory, BUILD_FACTS), JSON.stringify(facts));
    const target = cellDirectory(workshop, cell);
    await mkdir(target, { recursive: true });
    // The facts are removed first and written last, so that an incomplete result never counts as built.
    await rm(join(target, BUILD_FACTS), { force: true });
    for (const name of [IMAGE, `${IMAGE}.zst`, SBOM, BUILD_FACTS])
      await rename(join(directory, name), join(target, name));
    return facts;
  });
}

/** The facts of an earlier build stage. @throws PipelineError if there are none, or they are not valid */
export async function readBuildFacts(workshop: Workshop, cell: BaseCell | PresetCell): Promise<BuildFacts> {
  const found = await readRecord(join(cellDirectory(workshop, cell), BUILD_FACTS), BuildFacts);
  if (found) return found;
  throw notBuilt(cell);
}

async function pack(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  layer: Layer,
  directory: string,
): Promise<BuildFacts> {
  const { docker, options, run } = workshop;
  const { base } = layer;
  const { compressing, ...contents } = await makeImage(workshop, cell, layer, directory);
  const { packages, sbom, size, files, accounting } = contents;
  await writeFile(join(directory, SBOM), sbom);
  const { listing, agreed } = await compareListing(options.root, cell, contents, {
    ...{ record: options.record === true, versions: layer.recorded },
  });
  const { budget } = cell;
  if (budget) checkBudget({ what: "its files", bytes: size, limit: budget.content, files }, listing);
  run.progress.step(`compress (zstd -${options.level} --long=${ZSTD_WINDOW_LOG})`);
  const result = await compress(docker, contents.image, compressing, run);
  if (budget && options.level === DEFAULT_LEVEL) {
    checkBudget({ what: "its compressed bytes", bytes: result.size, limit: budget.asset, files }, listing);
  }
  const overrides = [
    ...overridesOf(workshop.cells, options, cell.flavor),
    ...(agreed ? [] : ["apk=unrecorded"]),
    ...madeOverrides({ ...base, live: base.live || workshop.toolsLive }),
  ];
  return {
    schema_version: 1,
    id: cell.id,
    kind: cell.kind,
    arch: cell.arch,
    flavor: cell.flavor,
    preset: presetOf(cell),
    asset: cell.assets[0]!,
    sha256: result.sha256,
    size: result.size,
    image_sha256: result.imageSha256,
    image_size: result.imageSize,
    inputs: inputsWith(cell, overrides),
    overrides,
    source: base.source,
    zstd_level: options.level,
    frames: result.frames,
    content_size: size,
    accounted: accounting.totals,
    sbom: sbomFacts(cell.assets[0]!, sbom, packages),
    packages: packages.map(({ type, name, version }) => ({ type, name, version })),
  };
}
