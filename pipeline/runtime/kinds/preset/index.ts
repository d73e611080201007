import type { PresetCell } from "../../../schema/cells.ts";
import { rootfsSteps } from "../../rootfs/steps.ts";
import { buildRecipe } from "../../workshop.ts";
import type { Steps } from "../steps.ts";

/** A preset: an agent on a base. */
export const preset: Steps<PresetCell> = rootfsSteps<PresetCell>(async (workshop, cell, handover) => {
  const base = await handover.below(cell, "base");
  const image = `smolvm/${cell.id}:${cell.inputs.slice(0, 12)}`;
  await buildRecipe(workshop, cell, image, { BASE: base.image });
  return { image, base, order: base.paths, recorded: false };
});
