import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { compress } from "../image/formats/zstd.ts";
import { checkBudget } from "../image/rootfs/budget.ts";
import { sbomFacts } from "../image/rootfs/sbom.ts";
import { baseOf } from "../plan/cells.ts";
import { APT_LIVE, inputsWith, overridesOf } from "../plan/freshness.ts";
import type { BaseCell, PresetCell } from "../schema/cells.ts";
import { DEFAULT_LEVEL } from "../schema/defaults.ts";
import { RootfsFacts } from "../schema/facts.ts";
import { errorCode } from "../util/error.ts";
import { type Base, ensureBase } from "./base.ts";
import { checkVersions, readListing, recordListing } from "./listing.ts";
import { IMAGE, makeRootfs } from "./rootfs-image.ts";
import { buildRecipe, cellDirectory, inWorkDirectory, notBuilt, type Workshop } from "./workshop.ts";

/** What the build stage leaves for the verify stage, in `out/images/<id>/build.json`. */
export const BuildFacts = RootfsFacts.omit({ boot: true });
export type BuildFacts = z.infer<typeof BuildFacts>;

export const SBOM = "sbom.cdx.json";
export const BUILD_FACTS = "build.json";

/** docker build -> tar -> ext4 -> zst, into `out/images/<id>/`. @throws PipelineError */
export async function buildStage(workshop: Workshop, cell: BaseCell | PresetCell): Promise<BuildFacts> {
  const base = await ensureBase(workshop, cell.kind === "base" ? cell : baseOf(workshop.cells, cell));
  const image = await containerImage(workshop, cell, base);
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const facts = await pack(workshop, cell, base, image, directory);
    await writeFile(join(directory, BUILD_FACTS), JSON.stringify(facts));
    const target = cellDirectory(workshop, cell);
    await mkdir(target, { recursive: true });
    // Without its facts nothing of an earlier build counts; what else is there is left alone.
    await rm(join(target, BUILD_FACTS), { force: true });
    for (const name of [IMAGE, `${IMAGE}.zst`, SBOM, BUILD_FACTS])
      await rename(join(directory, name), join(target, name));
    return facts;
  });
}

/** What an earlier build stage left. @throws PipelineError when there is nothing, or something else */
export async function readBuildFacts(workshop: Workshop, cell: BaseCell | PresetCell): Promise<BuildFacts> {
  const path = join(cellDirectory(workshop, cell), BUILD_FACTS);
  try {
    return BuildFacts.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw cause;
    throw notBuilt(cell, cause);
  }
}

/** The container image of a cell on its base: the base's own, or a preset's, which is built. */
export async function containerImage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  base: Base,
): Promise<string> {
  if (cell.kind === "base") return base.image;
  const image = `smolvm/${cell.id}:${cell.inputs.slice(0, 12)}`;
  await buildRecipe(workshop, cell, image, { BASE: base.image });
  return image;
}

async function pack(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  base: Base,
  image: string,
  directory: string,
): Promise<BuildFacts> {
  const { docker, options, run, tools } = workshop;
  const contents = await makeRootfs(workshop, cell, base, image, directory);
  const { packages, sbom, size, files } = contents;
  await writeFile(join(directory, SBOM), sbom);
  if (options.record) await recordListing(options.root, cell.id, contents);
  const listing = await readListing(options.root, cell.id);
  const recorded = cell.kind === "preset" || checkVersions(cell, contents, listing);
  const { budget } = cell;
  if (budget) checkBudget({ what: "its files", bytes: size, limit: budget.content, files }, listing);
  run.progress.step(`compress (zstd -${options.level} --long=27)`);
  const result = await compress(docker, join(directory, IMAGE), { tools, level: options.level }, run);
  if (budget && options.level === DEFAULT_LEVEL) {
    checkBudget({ what: "its compressed bytes", bytes: result.size, limit: budget.asset, files }, listing);
  }
  const overrides = [
    ...overridesOf(workshop.cells, options, cell.flavor),
    ...(recorded ? [] : ["apk=unrecorded"]),
    ...(base.live || workshop.toolsLive ? [APT_LIVE] : []),
    ...(base.fallback ? [`source=${base.source}`] : []),
  ];
  return {
    schema_version: 1,
    id: cell.id,
    kind: cell.kind,
    arch: cell.arch,
    flavor: cell.flavor,
    preset: cell.kind === "preset" ? cell.preset : null,
    asset: cell.assets[0]!,
    sha256: result.sha256,
    size: result.size,
    image_sha256: result.imageSha256,
    image_size: result.imageSize,
    inputs: inputsWith(cell, overrides),
    overrides,
    source: base.source,
    zstd_level: options.level,
    content_size: size,
    sbom: sbomFacts(cell.assets[0]!, sbom, packages),
    packages: packages.map(({ type, name, version }) => ({ type, name, version })),
  };
}
