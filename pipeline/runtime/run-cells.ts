import { noSpace } from "../image/formats/ext4.ts";
import { checkDeclared, freshnessOf, overridesOf, unproven } from "../plan/freshness.ts";
import type { Cell, KernelCell } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { errorCode, PipelineError } from "../util/error.ts";
import { buildStage, readBuildFacts } from "./build-stage.ts";
import { builtKernel, ensureKernel } from "./kernel.ts";
import { bringsMore, prepareBoots, verifyKernel } from "./kernel-stage.ts";
import { verifyStage } from "./verify-stage.ts";
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

/** Runs cells one after the other; bases come first, and are shared. @throws PipelineError at the first that fails */
export async function runCells(
  workshop: Workshop,
  cells: readonly Cell[],
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

async function runCell(workshop: Workshop, cell: Cell, stages: readonly Stage[]): Promise<Outcome> {
  const { id } = cell;
  const { noCache, record } = workshop.options;
  const kept = noCache || record ? undefined : await stagedBefore(workshop, cell);
  // What could not be proven then may be proven now.
  if (kept && !(stages.includes("verify") && kept.some((each) => unproven(each).length > 0))) {
    for (const { overrides } of kept) checkDeclared(workshop, overrides);
    return { id, result: "kept", facts: kept };
  }
  if (cell.kind === "kernel") return await runKernel(workshop, cell, stages, kept);

  const built = stages.includes("build")
    ? await buildStage(workshop, cell)
    : await readBuildFacts(workshop, cell);
  checkDeclared(workshop, built.overrides);
  if (!stages.includes("verify")) return { id, result: "built", facts: [] };
  return { id, result: "staged", facts: [await verifyStage(workshop, cell, built)] };
}

async function runKernel(
  workshop: Workshop,
  cell: KernelCell,
  stages: readonly Stage[],
  kept: readonly Facts[] | undefined,
): Promise<Outcome> {
  const { id } = cell;
  const [build, verify] = [stages.includes("build"), stages.includes("verify")];
  if (!build) await builtKernel(workshop, cell);
  // Whoever asks for this stage alone wants to see it done; what is compiled anew is not proven yet.
  const again = !build || workshop.options.noCache;
  const boots = verify ? await prepareBoots(workshop, cell, again) : undefined;
  if (kept && boots && !bringsMore(boots, kept)) return { id, result: "kept", facts: kept };
  const kernel = build
    ? await ensureKernel(workshop, cell, workshop.options.noCache)
    : await builtKernel(workshop, cell);
  checkDeclared(workshop, kernel.facts[0]!.overrides);
  if (!boots) return { id, result: "built", facts: [] };
  return { id, result: "staged", facts: await verifyKernel(workshop, cell, kernel, boots) };
}

/** The facts of all of a cell's assets, where each is staged and made from the present inputs. */
async function stagedBefore(workshop: Workshop, cell: Cell): Promise<Facts[] | undefined> {
  const overrides = cell.kind === "kernel" ? [] : overridesOf(workshop.cells, workshop.options, cell.flavor);
  const facts: Facts[] = [];
  for (const asset of cell.assets) {
    const found = freshnessOf(workshop.cells, cell, await workshop.store.facts(asset), overrides);
    if (found.state !== "fresh" && found.state !== "undeclared") return undefined;
    facts.push(found.facts);
  }
  return facts;
}
