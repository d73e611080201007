import type { InitramfsCell } from "../../../schema/cells.ts";
import type { Steps } from "../steps.ts";
import { type BuiltAppliance, buildAppliance, builtAppliance, reproduceAppliance } from "./build.ts";
import { asked } from "./pack.ts";
import { proveAppliance } from "./prove.ts";

/** An appliance: a kernel and an initramfs that runs from memory. */
export const initramfs: Steps<InitramfsCell, BuiltAppliance> = {
  overrides: (workshop, cell) => asked(workshop, cell).overrides,
  build: buildAppliance,
  built: builtAppliance,
  prepare: async (workshop, cell) => ({
    provesMore: () => true,
    prove: ({ facts }) => proveAppliance(workshop, cell, facts),
  }),
  reproduce: reproduceAppliance,
};
