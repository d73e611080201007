import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { exportImage, hasFile } from "../../../image/docker/container-image.ts";
import { follow, hasImage } from "../../../image/docker/engine.ts";
import { order } from "../../../image/rootfs/normalise.ts";
import { importRootfs } from "../../../image/rootfs/source.ts";
import { indexTar } from "../../../image/rootfs/tar-index.ts";
import { inputsWith, overridesOf, rootfsFor } from "../../../plan/freshness.ts";
import type { BaseCell, RootfsSource } from "../../../schema/cells.ts";
import { DEFAULT_LEVEL } from "../../../schema/defaults.ts";
import { PipelineError } from "../../../util/error.ts";
import { readRecord } from "../../../util/record.ts";
import { writeWhole } from "../../../util/whole-file.ts";
import { buildRecipe, LIVE, type Workshop } from "../../workshop.ts";

/** What is kept of a base beside its container image. */
const BaseRecord = z.strictObject({
  /** Its paths, in the order that presets keep. */
  paths: z.array(z.string()),
  /** Where its first files came from. */
  source: z.string(),
  /** Whether that was another source than the one it declares first. */
  fallback: z.boolean(),
  /** Whether its packages are those of the day of the build. */
  live: z.boolean(),
});

/** A base as presets need it. */
export interface Base extends z.infer<typeof BaseRecord> {
  /** The container image. */
  readonly image: string;
}

/** What a base is made from here: its declared inputs, with what the user has overridden. */
export const baseInputs = ({ cells, options }: Workshop, cell: BaseCell): string =>
  inputsWith(cell, overridesOf(cells, { ...options, level: DEFAULT_LEVEL }, cell.flavor));

/** A base's container image: one that was made from the same inputs, or a new one. */
export async function ensureContainer(workshop: Workshop, cell: BaseCell): Promise<Base> {
  const { docker, options } = workshop;
  const inputs = baseInputs(workshop, cell).slice(0, 12);
  const image = `smolvm/${cell.id}:${inputs}`;
  const directory = options.bases ?? join(workshop.cache, "bases");
  const record = join(directory, `${cell.id}-${inputs}.json`);
  const saved = join(directory, `${cell.id}-${inputs}.tar`);

  if (!options.noCache) {
    const known = await readRecord(record, BaseRecord);
    const there = known && ((await hasImage(docker, image)) || (await load(workshop, saved)));
    if (there) return { image, ...known };
  }

  const base = await build(workshop, cell, image);
  const { image: _, ...known } = base;
  await mkdir(directory, { recursive: true });
  await writeWhole(record, (partial) => writeFile(partial, JSON.stringify(known)));
  if (options.bases) {
    workshop.run.progress.step("save the base's container image");
    await writeWhole(saved, async (partial) => {
      await pipeline((await docker.getImage(image).get()) as Readable, createWriteStream(partial));
    });
  }
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
  await buildRecipe(workshop, cell, image, { ROOTFS: imported.image });
  run.progress.step("list the base's paths");
  const index = await indexTar(await exportImage(docker, image, run), run.signal);
  return {
    image,
    paths: order(index, []).map(({ path }) => path),
    source: imported.source,
    fallback: imported.from !== sources[0],
    live: await hasFile(docker, image, LIVE),
  };
}

/** The declared sources, or the one that the user names. */
function sourcesOf(workshop: Workshop, cell: BaseCell): readonly RootfsSource[] {
  const rootfs = rootfsFor(workshop.options, cell.flavor);
  if (!rootfs) return cell.sources;
  const declared = cell.sources.find((source) => source.from === "tarball");
  const sha256 = rootfs.sha256 ?? declared?.sha256;
  if (!sha256) {
    throw new PipelineError(
      `--rootfs ${rootfs.from}: ${cell.id} declares no tarball, so --rootfs-sha256 ${cell.flavor}=HEX must give its hash`,
    );
  }
  return [{ from: "tarball", url: rootfs.from, sha256 }];
}

/** Loads a saved container image into Docker; false where there is none. */
async function load(workshop: Workshop, path: string): Promise<boolean> {
  const file = createReadStream(path);
  const opened = await new Promise<boolean>((resolve) => {
    file.once("open", () => resolve(true));
    file.once("error", () => resolve(false));
  });
  if (!opened) return false;
  workshop.run.progress.step("load the base's container image");
  const stream = await workshop.docker.loadImage(file);
  await follow(workshop.docker, stream);
  return true;
}
