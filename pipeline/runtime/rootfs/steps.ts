import { overridesOf } from "../../plan/freshness.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import type { Handover, Steps } from "../kinds/steps.ts";
import type { Workshop } from "../workshop.ts";
import { type BuildFacts, buildRootfs, type Layer, readBuildFacts } from "./build.ts";
import { reproduceRootfs } from "./reproduce.ts";
import { verifyRootfs } from "./verify.ts";

/** The steps of a kind whose cells are root file systems. `layerOf` builds the container image of a cell. */
export const rootfsSteps = <C extends BaseCell | PresetCell>(
  layerOf: (workshop: Workshop, cell: C, handover: Handover) => Promise<Layer>,
): Steps<C, BuildFacts> => ({
  overrides: ({ cells, options }, { flavor }) => overridesOf(cells, options, flavor),
  build: async (workshop, cell, handover) =>
    await buildRootfs(workshop, cell, await layerOf(workshop, cell, handover)),
  built: readBuildFacts,
  prepare: async (workshop, cell, handover) => ({
    provesMore: () => true,
    prove: async (built) => [await verifyRootfs(workshop, cell, built, handover)],
  }),
  reproduce: (workshop, cell, handoverOf) =>
    reproduceRootfs(workshop, cell, (anew) => layerOf(anew, cell, handoverOf(anew))),
});
