import { noSpace } from "../image/formats/ext4.ts";
import { checkDeclared, freshnessOf, unproven } from "../plan/freshness.ts";
import type { Cell } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { errorCode, PipelineError, within } from "../util/error.ts";
import { handoverOf, stepsOf } from "./kinds/index.ts";
import type { Handover } from "./kinds/steps.ts";
import { checkArch, type Workshop } from "./workshop.ts";

export const STAGES = ["build", "verify"] as const;
export type Stage = (typeof STAGES)[number];

/** How one cell ended. */
export interface Outcome {
  readonly id: string;
  /** `built` is not verified yet; `kept` was staged already, from the same inputs. */
  readonly result: "staged" | "built" | "kept";
  /** Of its staged assets. */
  readonly facts: readonly Facts[];
}

/** Runs cells one after the other; what they need of others is made once. @throws PipelineError at the first that fails */
export async function runCells(
  workshop: Workshop,
  cells: readonly Cell[],
  stages: readonly Stage[],
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  for (const cell of cells) checkArch(workshop, cell);
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
  const [build, verify] = [stages.includes("build"), stages.includes("verify")];
  const kept = noCache || record ? undefined : await stagedBefore(workshop, cell);
  // What could not be proven then may be proven now.
  if (kept && !(verify && kept.some((each) => unproven(each).length > 0))) {
    for (const { overrides } of kept) checkDeclared(workshop, overrides);
    return { id, result: "kept", facts: kept };
  }
  const left = build ? undefined : await steps.built(workshop, cell);
  // Whoever asks for this stage alone wants to see it done; what is built anew is not proven yet.
  const proof = verify ? await steps.prepare(workshop, cell, handover, !build || noCache) : undefined;
  if (kept && proof && !proof.bringsMore(kept)) return { id, result: "kept", facts: kept };
  const built = left ?? (await steps.build(workshop, cell, handover));
  checkDeclared(workshop, built.overrides);
  return proof
    ? { id, result: "staged", facts: await proof.prove(built) }
    : { id, result: "built", facts: [] };
}

/** The facts of all of a cell's assets, where each is staged and is as it would be made now. */
async function stagedBefore(workshop: Workshop, cell: Cell): Promise<Facts[] | undefined> {
  const overrides = stepsOf(cell).overrides(workshop, cell);
  const facts: Facts[] = [];
  for (const asset of cell.assets) {
    const found = freshnessOf(workshop.cells, cell, await workshop.store.facts(asset), overrides);
    if (found.state !== "fresh" && found.state !== "undeclared") return undefined;
    facts.push(found.facts);
  }
  return facts;
}
