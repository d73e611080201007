import type { Cell } from "../schema/cells.ts";
import { handoverOf, stepsOf } from "./kinds/index.ts";
import type { Twice } from "./kinds/steps.ts";
import type { Workshop } from "./workshop.ts";

/** The comparison of two builds of a cell from the same inputs. */
export interface Reproduction extends Twice {
  readonly id: string;
  readonly inputs: string;
  /** Whether all files are equal. */
  readonly same: boolean;
}

/** Builds a cell twice, without any cache except downloads, and compares the results. @throws PipelineError if a build fails */
export async function reproduce(workshop: Workshop, cell: Cell): Promise<Reproduction> {
  const { id, inputs } = cell;
  const twice = await stepsOf(cell).reproduce(workshop, cell, handoverOf);
  const same = Object.values(twice.files).every(([first, second]) => first === second);
  return { id, inputs, same, ...twice };
}
