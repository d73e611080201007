import type { Cell, Cells } from "../schema/cells.ts";
import { flavorsOf, inBuildOrder, KIND_NAMES, kindNamed, ofKind } from "../schema/kinds/index.ts";
import { PipelineError, unknownName } from "../util/error.ts";
import { unique } from "../util/unique.ts";

/** The cells with these ids, in build order, without duplicates. @throws PipelineError when an id is unknown */
export function selectCells(all: Cells, ids: readonly string[]): Cell[] {
  const byId = new Map(all.cells.map((cell) => [cell.id, cell]));
  const selected = new Set<Cell>();
  for (const id of ids) {
    const cell = byId.get(id);
    if (!cell) throw unknownCell(all, id);
    selected.add(cell);
  }
  return inBuildOrder([...selected]);
}

/** The error for an unknown id: the part that is unknown, or the reason why a flavor refuses the preset. */
function unknownCell(all: Cells, id: string): PipelineError {
  const presets = unique(ofKind(all.cells, "preset").map(({ preset }) => preset));
  const archs = unique(all.cells.map((cell) => cell.arch));
  const flavors = flavorsOf(all.cells);
  const parts = (text: string) => new RegExp(`^(.+)-(${archs.join("|")})-(.+)$`).exec(text) ?? [];
  const appliances = ofKind(all.cells, "initramfs");
  const [, name, of] = /^initramfs-(.+)-([^-]+)$/.exec(id) ?? [];
  if (name !== undefined && appliances.length > 0) {
    const its = appliances.filter((cell) => cell.name === name).map((cell) => cell.arch);
    if (its.length === 0) return unknownName("appliance", name, unique(appliances.map((cell) => cell.name)));
    return new PipelineError(`the appliance ${name} is not made for ${of}; it is for ${its.join(", ")}`);
  }
  const [whole, preset = "", arch, flavor = ""] = parts(id);
  if (whole === undefined) {
    const forms = KIND_NAMES.filter((kind) => ofKind(all.cells, kind).length > 0).map(
      (kind) => kindNamed(kind).idForm,
    );
    const [last, ...others] = forms;
    return new PipelineError(
      `unknown cell "${id}": a cell is ${others.reverse().join(", ")} or ${last}; \`npx smolvm-images list\` shows all`,
    );
  }
  const refused = Object.hasOwn(all.refused, preset) ? all.refused[preset]! : {};
  const reason = Object.hasOwn(refused, flavor) ? refused[flavor] : undefined;
  if (reason) {
    const offered = flavors.filter((name) => !Object.hasOwn(refused, name));
    return new PipelineError(
      `${preset} is not offered on ${flavor}: ${reason}; it is on ${offered.join(", ")}`,
    );
  }
  if (!flavors.includes(flavor)) return unknownName("flavor", flavor, flavors);
  const elsewhere = all.cells.filter((cell) => {
    const [, of, , on] = parts(cell.id);
    return of === preset && on === flavor;
  });
  if (elsewhere.length > 0) {
    return new PipelineError(
      `${preset} is not offered on ${flavor} for ${arch}; it is for ${elsewhere.map((cell) => cell.arch).join(", ")}`,
    );
  }
  return unknownName("preset", preset, presets);
}
