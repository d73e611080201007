import type { KernelCell } from "../../../schema/cells.ts";
import type { Steps } from "../steps.ts";
import { bringsMore, prepareBoots } from "./boots.ts";
import { type BuiltKernel, bootKernel, builtKernel, ensureKernel } from "./cache.ts";
import { proveKernel } from "./prove.ts";
import { reproduceKernel } from "./reproduce.ts";

/** The kernel of an arch, in each format. It hands on the one that images are booted with. */
export const kernel: Steps<KernelCell, BuiltKernel> = {
  // Level, root file systems and the newest file's instant are of images: none of them changes a kernel.
  overrides: () => [],
  build: (workshop, cell) => ensureKernel(workshop, cell, workshop.options.noCache),
  built: builtKernel,
  prepare: async (workshop, cell, handover, again) => {
    const boots = await prepareBoots(workshop, cell, handover, again);
    return {
      bringsMore: (staged) => bringsMore(boots, staged),
      prove: (built) => proveKernel(workshop, cell, built, boots, handover),
    };
  },
  reproduce: reproduceKernel,
  handOver: bootKernel,
};
