import type { Cell, Cells } from "../schema/cells.ts";
import { idsBelow, ofKind } from "../schema/kinds/index.ts";
import { PipelineError, unknownName } from "../util/error.ts";
import { unique } from "../util/unique.ts";

/** A selection of published cells. Each field has names separated by commas or spaces; empty, undefined or `all` means all. */
export interface Selection {
  readonly presets?: string | undefined;
  readonly flavors?: string | undefined;
  readonly archs?: string | undefined;
}

/**
 * The selected published cells, with the bases and kernels that they depend on.
 * @throws PipelineError when a name does not exist, or no cell is selected
 */
export function selectPublished(cells: Cells, selection: Selection): Cell[] {
  const published = cells.cells.filter((cell) => cell.published);
  const offered = ofKind(published, "preset");
  const presets = namesIn("preset", selection.presets, unique(offered.map(({ preset }) => preset)));
  const flavors = namesIn("flavor", selection.flavors, unique(offered.map(({ flavor }) => flavor)));
  const archs = namesIn("arch", selection.archs, unique(published.map(({ arch }) => arch)));

  const chosen = offered.filter(
    ({ preset, flavor, arch }) =>
      presets.includes(preset) && flavors.includes(flavor) && archs.includes(arch),
  );
  if (chosen.length === 0) throw nothingLeft(cells, presets, flavors);
  // A complete release also has the bases and kernels that no preset depends on.
  if (chosen.length === offered.length) return published.filter(({ arch }) => archs.includes(arch));
  const wanted = new Set<string>(chosen.flatMap((cell) => [cell.id, ...Object.values(idsBelow(cell))]));
  return published.filter(({ id }) => wanted.has(id));
}

function namesIn(kind: string, text: string | undefined, known: readonly string[]): readonly string[] {
  const names = (text ?? "").split(/[\s,]+/).filter((name) => name !== "" && name !== "all");
  for (const name of names) if (!known.includes(name)) throw unknownName(kind, name, ["all", ...known]);
  return names.length > 0 ? names : known;
}

function nothingLeft(
  { refused }: Cells,
  presets: readonly string[],
  flavors: readonly string[],
): PipelineError {
  const reasons = presets.flatMap((preset) =>
    flavors.flatMap((flavor) => {
      const reason = refused[preset]?.[flavor];
      return reason ? [`${preset} is not offered on ${flavor}: ${reason}`] : [];
    }),
  );
  return new PipelineError(
    reasons.join("; ") || "no published cell is selected: `npx smolvm-images list` shows all",
  );
}
