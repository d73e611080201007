import { checkDeclared } from "../../../plan/freshness.ts";
import type { BaseCell } from "../../../schema/cells.ts";
import { packBase } from "../../rootfs/frames.ts";
import { rootfsSteps } from "../../rootfs/steps.ts";
import type { Steps } from "../steps.ts";
import { containerOverrides, ensureContainer } from "./container.ts";

/** A base: a flavor's root file system without an agent. Presets need its container image. */
export const base: Steps<BaseCell> = {
  ...rootfsSteps<BaseCell>(async (_, cell, handover) => {
    const made = await handover.ensure(cell);
    return { image: made.image, base: made, order: [], recorded: true };
  }),
  container: async (workshop, cell, handover) => {
    const made = await handover.ensure(cell);
    const overrides = containerOverrides(workshop, cell, made);
    checkDeclared(workshop, overrides);
    if (workshop.options.frames) await packBase(workshop, cell, { image: made.image, order: [] });
    return { overrides };
  },
  handOver: ensureContainer,
};
