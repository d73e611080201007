import type { SparseFile } from "../../image/formats/sparse.ts";
import { makeAuditedImage } from "../../image/rootfs/audited-image.ts";
import { type Contents, contentsOf } from "../../image/rootfs/contents.ts";
import type { Rootfs } from "../../image/rootfs/normalise.ts";
import { recipeOf } from "../../image/rootfs/ownership/recipe.ts";
import { withRootfs } from "../../image/rootfs/rootfs.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import type { Workshop } from "../workshop.ts";
import type { Layer } from "./build.ts";

/** The file name of the ext4 image in a cell's directory. */
export const IMAGE = "rootfs.ext4";

/** The command that checks a preset in the booted image; null for a base. */
export const checkOf = (cell: BaseCell | PresetCell): PresetCell["check"] | null =>
  "check" in cell ? cell.check : null;

/** A root file system that was made: what is in it, and its image. */
export interface MadeRootfs extends Contents {
  readonly image: SparseFile;
}

/**
 * container image -> tar, normalised and audited -> `rootfs.ext4` in `directory`.
 * @param look called with the root file system. @default none
 * @throws PipelineError with the audit's findings
 */
export async function makeRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  { image, order }: Pick<Layer, "image" | "order">,
  directory: string,
  look: (rootfs: Rootfs) => Promise<void> = async () => {},
): Promise<MadeRootfs> {
  const { docker, run, epoch, tools } = workshop;
  const options = { arch: cell.arch, directory, tools, baseOrder: order, epoch };
  return await withRootfs(docker, image, options, run, async (rootfs) => {
    // While the image is made: the machine has more than one core, and this needs no more than the index and a few files.
    const recipe = recipeOf(workshop.cells, cell);
    const listed = contentsOf(rootfs, { recipe, arch: cell.arch });
    const { secrets } = workshop.options;
    const made = await makeAuditedImage(
      docker,
      rootfs,
      {
        title: cell.id,
        meant: {
          arch: cell.arch,
          program: checkOf(cell)?.command[0] ?? null,
          secrets,
        },
        unowned: listed.then(({ accounting }) => accounting.unowned),
        ...{ directory, name: IMAGE, sizeMib: cell.disk_mib, epoch, tools },
        sizeKnob: `diskMib of the ${cell.flavor} base in images.ts`,
      },
      run,
    );
    const contents = await listed;
    for (const each of contents.unused) run.progress.warn(`${cell.id}: ${each}`);
    await look(rootfs);
    return { ...contents, image: made };
  });
}
