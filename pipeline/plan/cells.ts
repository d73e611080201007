import type { BaseCell, Cell, Cells, PresetCell } from "../schema/cells.ts";
import { PipelineError, unknownName } from "../util/error.ts";
import { unique } from "../util/unique.ts";

/** The cells with these ids, bases before presets, nothing twice. @throws PipelineError */
export function selectCells(all: Cells, ids: readonly string[]): Cell[] {
  const byId = new Map(all.cells.map((cell) => [cell.id, cell]));
  const selected = new Set<Cell>();
  for (const id of ids) {
    const cell = byId.get(id);
    if (!cell) throw unknownCell(all, id);
    selected.add(cell);
  }
  const order = { kernel: 0, base: 1, preset: 2 };
  return [...selected].sort((a, b) => order[a.kind] - order[b.kind]);
}

/** The base that a preset's cell is layered on. */
export function baseOf(all: Cells, cell: PresetCell): BaseCell {
  return all.cells.find((other): other is BaseCell => other.kind === "base" && other.id === cell.base)!;
}

/** Says which part of an id is unknown, or why a preset is refused on a flavor. */
function unknownCell(all: Cells, id: string): PipelineError {
  const presets = unique(all.cells.flatMap((cell) => (cell.kind === "preset" ? [cell.preset] : [])));
  const archs = unique(all.cells.map((cell) => cell.arch));
  const flavors = unique(all.cells.flatMap((cell) => (cell.kind === "kernel" ? [] : [cell.flavor])));
  const parts = new RegExp(`^(.+)-(${archs.join("|")})-(.+)$`).exec(id);
  if (!parts) {
    return new PipelineError(
      `unknown cell "${id}": a cell is <preset>-<arch>-<flavor>, base-<arch>-<flavor> or kernel-<arch>; ` +
        "`npm run list` shows all",
    );
  }
  const [, preset = "", arch, flavor = ""] = parts;
  const refused = Object.hasOwn(all.refused, preset) ? all.refused[preset]! : {};
  const reason = Object.hasOwn(refused, flavor) ? refused[flavor] : undefined;
  if (reason) {
    const offered = flavors.filter((name) => !Object.hasOwn(refused, name));
    return new PipelineError(
      `${preset} is not offered on ${flavor}: ${reason}; it is on ${offered.join(", ")}`,
    );
  }
  if (!flavors.includes(flavor)) return unknownName("flavor", flavor, flavors);
  const isMeant = (cell: Cell) =>
    cell.kind !== "kernel" &&
    (cell.kind === "preset" ? cell.preset : "base") === preset &&
    cell.flavor === flavor;
  const elsewhere = all.cells.filter(isMeant);
  if (elsewhere.length > 0) {
    return new PipelineError(
      `${preset} is not offered on ${flavor} for ${arch}; it is for ${elsewhere.map((cell) => cell.arch).join(", ")}`,
    );
  }
  return unknownName("preset", preset, presets);
}
