import { CELLS_PATH, type Cell } from "../../schema/cells.ts";
import { type CellOf, idsBelow, type KindName } from "../../schema/kinds/index.ts";
import { PipelineError } from "../../util/error.ts";
import type { Workshop } from "../workshop.ts";
import { base } from "./base/index.ts";
import { initramfs } from "./initramfs/index.ts";
import { kernel } from "./kernel/index.ts";
import { preset } from "./preset/index.ts";
import type { HandedOver, Handover, Steps } from "./steps.ts";

/** The steps that make the cells of each kind. What other code needs to know about kinds is in `schema/kinds/`. */
export const STEPS: { readonly [K in KindName]: Steps<CellOf<K>> } = {
  ...{ kernel, base, preset },
  initramfs,
};

/** The steps that make a cell. */
export const stepsOf = (cell: Cell): Steps => STEPS[cell.kind] as Steps;

/** Makes what cells need from other cells. Within one handover, each is made only once, also with --no-cache. */
export function handoverOf(workshop: Workshop): Handover {
  const made = new Map<string, HandedOver[keyof HandedOver]>();
  const ensure: Handover["ensure"] = async (cell) => {
    const ready = made.get(cell.id) ?? (await stepsOf(cell).handOver!(workshop, cell));
    made.set(cell.id, ready);
    return ready as HandedOver[(typeof cell)["kind"]];
  };
  const below = async (cell: Cell, kind: keyof HandedOver) => {
    const id = idsBelow(cell)[kind];
    const other = workshop.cells.cells.find((each) => each.id === id);
    if (other) return await ensure(other as CellOf<typeof kind>);
    throw new PipelineError(
      `${cell.id} needs the cell ${id ?? `of the kind ${kind}`}, which is not in ${CELLS_PATH}`,
      { code: "unknown-name", fix: "declare it in images.ts, then run `npx smolvm-images synth`" },
    );
  };
  return { ensure, below: below as Handover["below"] };
}
