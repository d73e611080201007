import type { Cell } from "../schema/cells.ts";
import { handoverOf, stepsOf } from "./kinds/index.ts";
import type { Twice } from "./kinds/steps.ts";
import type { Workshop } from "./workshop.ts";

/** What two builds of a cell from the same inputs made, file by file. */
export interface Reproduction extends Twice {
  readonly id: string;
  readonly inputs: string;
  readonly same: boolean;
}

/** Builds a cell twice, from nothing but what was downloaded, and compares. @throws PipelineError */
export async function reproduce(workshop: Workshop, cell: Cell): Promise<Reproduction> {
  const { id, inputs } = cell;
  const twice = await stepsOf(cell).reproduce(workshop, cell, handoverOf);
  const same = Object.values(twice.files).every(([first, second]) => first === second);
  return { id, inputs, same, ...twice };
}
