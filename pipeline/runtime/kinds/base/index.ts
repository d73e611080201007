import type { BaseCell } from "../../../schema/cells.ts";
import { rootfsSteps } from "../../rootfs/steps.ts";
import type { Steps } from "../steps.ts";
import { containerOverrides, ensureContainer } from "./container.ts";

/** A base: a flavor's root file system without an agent. Presets need its container image. */
export const base: Steps<BaseCell> = {
  ...rootfsSteps<BaseCell>(async (_, cell, handover) => {
    const made = await handover.ensure(cell);
    return { image: made.image, base: made, order: [], recorded: true };
  }),
  container: async (workshop, cell, handover) => ({
    overrides: containerOverrides(workshop, cell, await handover.ensure(cell)),
  }),
  handOver: ensureContainer,
};
