import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { idsBelow, type KindName, ofKind } from "../schema/kinds/index.ts";
import { sbomAsset } from "../schema/names.ts";
import { type Freshness, freshnessOf, leastFresh } from "./freshness.ts";
import { type Selection, selectPublished } from "./selection.ts";

/** The decision about one published cell, and its reason. */
export interface PlannedCell {
  readonly id: string;
  readonly action: "build" | "skip";
  readonly why: string;
}

const NOT_SELECTED = "not selected";

/** Whether the plan covers every published cell. Only a complete plan leads to a publication. */
export const isComplete = (planned: readonly PlannedCell[]) =>
  planned.every(({ why }) => why !== NOT_SELECTED);

/** Gives the facts of a staged asset; undefined if it is not staged. */
export interface Staged {
  facts(asset: string): Promise<Facts | undefined>;
}

/** The GitHub runner that builds natively for an arch. */
const RUNNERS = { amd64: "ubuntu-24.04", arm64: "ubuntu-24.04-arm" } as const;

/**
 * Decides for every published cell whether it is built. A cell is skipped if it is not selected, or if its assets are
 * staged and fresh.
 * @throws PipelineError when the selection contains an unknown name
 */
export async function plan(cells: Cells, staged: Staged, selection: Selection = {}): Promise<PlannedCell[]> {
  const published = cells.cells.filter((cell) => cell.published);
  const selected = new Set(selectPublished(cells, selection));
  return await Promise.all(
    published.map(async (cell): Promise<PlannedCell> => {
      const { id, assets } = cell;
      if (!selected.has(cell)) return { id, action: "skip", why: NOT_SELECTED };
      const facts = await Promise.all(assets.map((asset) => staged.facts(asset)));
      const found = leastFresh(facts.map((each) => freshnessOf(cells, cell, each)));
      return { id, action: found.state === "fresh" ? "skip" : "build", why: whyOf(found) };
    }),
  );
}

function whyOf(found: Freshness): string {
  if (found.state === "missing") return "not staged";
  if (found.state === "fresh") return "staged with these inputs";
  return found.state === "undeclared"
    ? `staged, and not as declared (${found.refused.join(", ")})`
    : "staged with other inputs";
}

/**
 * The matrix entries of the job that attests, for each built cell, with paths below the directory `staged`: its assets
 * (`subjects`), their inventory (`sbom`), and all of these (`files`).
 */
export function attestations(cells: Cells, planned: readonly PlannedCell[]): object[] {
  const build = new Set(planned.filter(({ action }) => action === "build").map(({ id }) => id));
  const path = (asset: string) => `staged/${asset}`;
  return cells.cells
    .filter(({ id }) => build.has(id))
    .map(({ id, assets }) => {
      const sbom = sbomAsset(assets[0]!);
      return {
        cell: id,
        subjects: assets.map(path).join("\n"),
        sbom: path(sbom),
        files: [...assets, sbom].map(path).join("\n"),
      };
    });
}

/** The matrix entries of the job that builds the cells of one kind. */
export function matrixOf(cells: Cells, planned: readonly PlannedCell[], kind: KindName): object[] {
  const build = new Set(planned.filter(({ action }) => action === "build").map(({ id }) => id));
  return ofKind(cells.cells, kind)
    .filter(({ id }) => build.has(id))
    .map((cell) => ({ cell: cell.id, runner: RUNNERS[cell.arch], ...idsBelow(cell) }));
}
