import type { KernelCell } from "../../../schema/cells.ts";
import type { Steps } from "../steps.ts";
import { prepareBoots, provesMore } from "./boots.ts";
import { type BuiltKernel, bootKernels, builtKernel, ensureKernel } from "./cache.ts";
import { proveKernel } from "./prove.ts";
import { reproduceKernel } from "./reproduce.ts";

/** The kernel of an arch, in each format. Bases and presets are booted with it. */
export const kernel: Steps<KernelCell, BuiltKernel> = {
  // The compression level, root file systems and SOURCE_DATE_EPOCH change images, but not kernels.
  overrides: () => [],
  build: (workshop, cell) => ensureKernel(workshop, cell, workshop.options.noCache),
  built: builtKernel,
  prepare: async (workshop, cell, handover, again) => {
    const boots = await prepareBoots(workshop, cell, handover, again);
    return {
      provesMore: (staged) => provesMore(boots, staged),
      prove: (built) => proveKernel(workshop, cell, built, boots, handover),
    };
  },
  reproduce: reproduceKernel,
  handOver: bootKernels,
};
