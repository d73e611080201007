import { noSpace } from "../build/ext4.ts";
import type { BaseCell, PresetCell } from "../schema/cells.ts";
import { errorCode, PipelineError } from "../schema/error.ts";
import type { Facts } from "../schema/facts.ts";
import { buildStage, readBuildFacts } from "./build-stage.ts";
import { verifyStage } from "./verify-stage.ts";
import { checkArch, inputsWith, overridesOf, type Workshop } from "./workshop.ts";

export const STAGES = ["build", "verify"] as const;
export type Stage = (typeof STAGES)[number];

/** How one cell ended. */
export interface Outcome {
  readonly id: string;
  /** `built` has an image that is not verified yet; `kept` was staged already, from the same inputs. */
  readonly result: "staged" | "built" | "kept";
  /** Of a staged asset. */
  readonly facts?: Facts;
}

/** Runs cells one after the other; bases come first, and are shared. @throws PipelineError at the first that fails */
export async function runCells(
  workshop: Workshop,
  cells: readonly (BaseCell | PresetCell)[],
  stages: readonly Stage[],
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  for (const cell of cells) checkArch(workshop, cell);
  for (const cell of cells) {
    try {
      onOutcome(await runCell(workshop, cell, stages));
    } catch (error) {
      workshop.run.signal.throwIfAborted();
      if (errorCode(error) === "ENOSPC") throw noSpace(workshop.options.root);
      if (error instanceof PipelineError) {
        throw new PipelineError(`${cell.id}: ${error.message}`, { details: error.details, cause: error });
      }
      throw error;
    }
  }
}

async function runCell(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  stages: readonly Stage[],
): Promise<Outcome> {
  const staged = await workshop.store.facts(cell.assets[0]!);
  if (
    !workshop.options.noCache &&
    staged?.inputs === inputsWith(cell, overridesOf(workshop.cells, workshop.options))
  ) {
    return { id: cell.id, result: "kept", facts: staged };
  }
  const built = stages.includes("build")
    ? await buildStage(workshop, cell)
    : await readBuildFacts(workshop, cell);
  if (!stages.includes("verify")) return { id: cell.id, result: "built" };
  return { id: cell.id, result: "staged", facts: await verifyStage(workshop, cell, built) };
}
