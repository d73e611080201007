import { join } from "node:path";
import { type CompressOptions, packFrames } from "../../image/formats/zstd.ts";
import type { Landmarks } from "../../image/frames/layout.ts";
import type { Rootfs } from "../../image/rootfs/normalise.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import { ZSTD_WINDOW_LOG } from "../../schema/defaults.ts";
import { inWorkDirectory, type Workshop } from "../workshop.ts";
import type { Layer } from "./build.ts";
import { type MadeRootfs, makeRootfs } from "./image.ts";

/** Makes the ext4 image of a cell in `directory`. Returns it with what its compression needs to know of it. */
export async function makeImage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  layer: Pick<Layer, "image" | "order">,
  directory: string,
): Promise<MadeRootfs & { compressing: CompressOptions }> {
  let landmarks: Landmarks = { apart: [], last: [] };
  const made = await makeRootfs(workshop, cell, layer, directory, async (rootfs) => {
    landmarks = landmarksOf(rootfs, layer.order);
  });
  const { options, tools, toolsLive: unpinned } = workshop;
  const { level, noCache: fresh } = options;
  return { ...made, compressing: { tools, unpinned, level, fresh, store: framesOf(workshop), landmarks } };
}

/** Compresses the frames of a base, so that its own cell and its presets find them. @throws PipelineError if that fails */
export async function packBase(
  workshop: Workshop,
  cell: BaseCell,
  layer: Pick<Layer, "image" | "order">,
): Promise<void> {
  const { docker, options, run } = workshop;
  await inWorkDirectory(workshop, cell, async (directory) => {
    const { image, compressing } = await makeImage(workshop, cell, layer, directory);
    run.progress.step(`compress (zstd -${options.level} --long=${ZSTD_WINDOW_LOG})`);
    await packFrames(docker, image, compressing, run);
  });
}

/** Where compressed frames are kept. Those of bases are handed on with their container images. */
const framesOf = ({ options, cache }: Workshop): string => join(options.bases ?? cache, "frames");

/** The script that changes more often than the base around it. */
const INIT = "init";

/** Where frames begin and end: around `/init`, and after what a preset has from its base. */
export function landmarksOf({ entries, sizeOf }: Rootfs, baseOrder: readonly string[]): Landmarks {
  const base = new Set(baseOrder);
  const contents = new Set<unknown>();
  let last: string | undefined;
  for (const entry of entries) {
    if (entry.type !== "file" || !base.has(entry.path) || sizeOf(entry) === 0) continue;
    // A further link to a file is no place in the image.
    if (!contents.has(entry.content)) last = entry.path;
    contents.add(entry.content);
  }
  return { apart: [INIT], last: last === undefined ? [] : [last] };
}
