import { noSpace } from "../image/formats/ext4.ts";
import { checkDeclared, freshnessOf, unproven } from "../plan/freshness.ts";
import type { Cell } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { errorCode, PipelineError, within } from "../util/error.ts";
import { handoverOf, stepsOf } from "./kinds/index.ts";
import type { Handover } from "./kinds/steps.ts";
import type { Workshop } from "./workshop.ts";

export const STAGES = ["build", "verify"] as const;
/** A stage of a cell. `container` is the first part of `build`; only bases have it. */
export type Stage = (typeof STAGES)[number] | "container";

/** The result of one cell. */
export interface Outcome {
  readonly id: string;
  /**
   * `staged`: verified and staged; `built`: not verified yet; `container`: only its container image is built; `kept`:
   * already staged, from the same inputs.
   */
  readonly result: "staged" | "built" | "container" | "kept";
  /** The facts of its staged assets; empty if `result` is `built` or `container`. */
  readonly facts: readonly Facts[];
}

/** Runs cells in order. What they need from other cells is made once. @throws PipelineError for the first cell that fails */
export async function runCells(
  workshop: Workshop,
  cells: readonly Cell[],
  stages: readonly Stage[],
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const handover = handoverOf(workshop);
  for (const cell of cells) {
    try {
      onOutcome(await runCell(workshop, cell, stages, handover));
    } catch (error) {
      workshop.run.signal.throwIfAborted();
      if (errorCode(error) === "ENOSPC") throw noSpace(workshop.options.root);
      if (error instanceof PipelineError) {
        throw within(cell.id, error);
      }
      throw error;
    }
  }
}

async function runCell(
  workshop: Workshop,
  cell: Cell,
  stages: readonly Stage[],
  handover: Handover,
): Promise<Outcome> {
  const { id } = cell;
  const { noCache, record } = workshop.options;
  const steps = stepsOf(cell);
  if (stages.includes("container")) {
    const { overrides } = await steps.container!(workshop, cell, handover);
    checkDeclared(workshop, overrides);
    return { id, result: "container", facts: [] };
  }
  const [build, verify] = [stages.includes("build"), stages.includes("verify")];
  const kept = noCache || record ? undefined : await stagedBefore(workshop, cell);
  // If something could not be proven last time, it is tried again.
  if (kept && !(verify && kept.some((each) => unproven(each).length > 0))) {
    for (const { overrides } of kept) checkDeclared(workshop, overrides);
    return { id, result: "kept", facts: kept };
  }
  const earlier = build ? undefined : await steps.built(workshop, cell);
  // With --stage verify the boot is always done. A new build (--no-cache) is not proven yet.
  const proof = verify ? await steps.prepare(workshop, cell, handover, !build || noCache) : undefined;
  if (kept && proof && !proof.provesMore(kept)) return { id, result: "kept", facts: kept };
  const built = earlier ?? (await steps.build(workshop, cell, handover));
  checkDeclared(workshop, built.overrides);
  return proof
    ? { id, result: "staged", facts: await proof.prove(built) }
    : { id, result: "built", facts: [] };
}

/** The facts of a cell's assets if all are staged and fresh (made from the current inputs); otherwise undefined. */
async function stagedBefore(workshop: Workshop, cell: Cell): Promise<Facts[] | undefined> {
  const overrides = stepsOf(cell).overrides(workshop, cell);
  const facts: Facts[] = [];
  for (const asset of cell.assets) {
    const found = freshnessOf(workshop.cells, cell, await workshop.staging.facts(asset), overrides);
    if (found.state !== "fresh" && found.state !== "undeclared") return undefined;
    facts.push(found.facts);
  }
  return facts;
}
