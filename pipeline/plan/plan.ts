import type { Cell, Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { idsBelow, type KindName, ofKind } from "../schema/kinds/index.ts";
import { sbomAsset } from "../schema/names.ts";
import { type Freshness, freshnessOf, leastFresh } from "./freshness.ts";
import { type LastRelease, whyNotRecorded } from "./recorded.ts";
import { type Selection, selectPublished } from "./selection.ts";

/** The decision about one published cell, and its reason. */
export interface PlannedCell {
  readonly id: string;
  /** `carry`: its assets are copied from the release `from`. */
  readonly action: "build" | "carry" | "skip";
  /** The tag of the release that has its assets; only for `carry`. */
  readonly from?: string;
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

export interface PlanOptions extends Selection {
  /** What the newest published release has recorded. @default nothing is published */
  readonly last?: LastRelease;
  /** Build every selected cell. @default false */
  readonly all?: boolean | undefined;
}

/** The GitHub runner that builds natively for an arch. */
const RUNNERS = { amd64: "ubuntu-24.04", arm64: "ubuntu-24.04-arm" } as const;

/**
 * Decides for every published cell whether it is built. A cell is skipped if it is not selected, if its assets are staged
 * and fresh, or if they are published at this tag. It is carried over if an earlier release has its assets, made from the
 * same inputs. Whatever is not known for certain means that it is built.
 * @throws PipelineError when the selection contains an unknown name
 */
export async function plan(cells: Cells, staged: Staged, options: PlanOptions = {}): Promise<PlannedCell[]> {
  const published = cells.cells.filter((cell) => cell.published);
  const selected = new Set(selectPublished(cells, options));
  return await Promise.all(
    published.map(async (cell): Promise<PlannedCell> => {
      const { id, assets } = cell;
      if (!selected.has(cell)) return { id, action: "skip", why: NOT_SELECTED };
      if (options.all) return { id, action: "build", why: "all cells are built (--all)" };
      const facts = await Promise.all(assets.map((asset) => staged.facts(asset)));
      const found = leastFresh(facts.map((each) => freshnessOf(cells, cell, each)));
      if (found.state === "fresh") return { id, action: "skip", why: "staged with these inputs" };
      return againstRelease(cells, cell, options, whyNotStaged(found));
    }),
  );
}

/** The decision about a cell that is not staged as declared. @param whyNot the reason if nothing is published */
function againstRelease(
  cells: Cells,
  cell: Cell,
  { last = { state: "none" } }: PlanOptions,
  whyNot: string,
): PlannedCell {
  const { id } = cell;
  if (last.state === "none") return { id, action: "build", why: whyNot };
  if (last.state === "unreadable") return { id, action: "build", why: last.why };
  const { tag } = last.digests;
  const other = whyNotRecorded(cells, cell, last);
  if (tag === cells.tag) {
    if (other === undefined) return { id, action: "skip", why: `published at ${tag} with these inputs` };
    return { id, action: "build", why: `${other} (${tag} is recorded as published: choose a new tag)` };
  }
  if (other !== undefined) return { id, action: "build", why: other };
  return { id, action: "carry", from: tag, why: `the same inputs as at ${tag}` };
}

function whyNotStaged(found: Freshness): string {
  if (found.state === "missing") return "not staged";
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
  const build = builtIds(planned);
  return entriesOf(ofKind(cells.cells, kind).filter(({ id }) => build.has(id)));
}

/**
 * The matrix entries of the jobs that make what cells of one kind hand on: for those that are built (`made`), or that are
 * not, and on which something that is built depends (`needed`).
 */
export function handedOnBy(cells: Cells, planned: readonly PlannedCell[], kind: KindName) {
  const build = builtIds(planned);
  const below = cells.cells.filter(({ id }) => build.has(id)).map((cell) => idsBelow(cell)[kind]);
  const of = ofKind(cells.cells, kind);
  return {
    made: entriesOf(of.filter(({ id }) => build.has(id))),
    needed: entriesOf(of.filter(({ id }) => !build.has(id) && below.includes(id))),
  };
}

const builtIds = (planned: readonly PlannedCell[]): ReadonlySet<string> =>
  new Set(planned.filter(({ action }) => action === "build").map(({ id }) => id));

const entriesOf = (cells: readonly Cell[]): object[] =>
  cells.map((cell) => ({ cell: cell.id, runner: RUNNERS[cell.arch], ...idsBelow(cell) }));
