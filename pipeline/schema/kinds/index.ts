import type { Cell } from "../cells.ts";
import type { Facts } from "../facts.ts";
import type { Arch } from "../names.ts";
import { base } from "./base.ts";
import { kernel } from "./kernel.ts";
import type { CellOf, Coordinates, Kind, KindName } from "./kind.ts";
import { preset } from "./preset.ts";

export type { CellOf, Coordinates, HandedOn, KindName } from "./kind.ts";

/** Every kind of cell, in the order in which cells are built: each leans only on kinds before it. */
export const KINDS: { readonly [K in KindName]: Kind<CellOf<K>> } = { kernel, base, preset };
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** What is known of a kind. */
export const kindNamed = (kind: KindName): Kind => KINDS[kind] as Kind;

/** `codex-amd64-ubuntu`, `base-amd64-ubuntu`, `kernel-amd64`. */
export const cellId = (cell: Coordinates): string => kindNamed(cell.kind).id(cell);

/** The names of a cell's files on the release. Every cell's asset names are made here. */
export const assetNames = (cell: Coordinates, defaultFlavor: string): string[] =>
  kindNamed(cell.kind).assets(cell, defaultFlavor);

/** The ids of the cells that a cell leans on, by their kind: `{ kernel: "kernel-amd64", base: "base-amd64-ubuntu" }`. */
export const idsBelow = (cell: Cell): Partial<Record<KindName, string>> =>
  Object.fromEntries(Object.entries(kindNamed(cell.kind).leansOn).map(([kind, idOf]) => [kind, idOf(cell)]));

/** Cells in the order in which they are built; those of a kind keep theirs. */
export const inBuildOrder = (cells: readonly Cell[]): Cell[] =>
  KIND_NAMES.flatMap((kind) => ofKind(cells, kind));

/** The cells of one kind. */
export const ofKind = <K extends KindName>(cells: readonly Cell[], kind: K): CellOf<K>[] =>
  cells.filter((cell): cell is CellOf<K> => cell.kind === kind);

/** Whether a machine of an arch can build a cell. */
export const buildsOn = (arch: Arch, cell: Cell): boolean =>
  cell.arch === arch || kindNamed(cell.kind).anyArch;

/** Null for a cell that is the same whatever the flavor. */
export const flavorOf = (cell: Cell): string | null => ("flavor" in cell ? cell.flavor : null);

/** Null for a cell without an agent. */
export const presetOf = (cell: Cell): string | null => ("preset" in cell ? cell.preset : null);

/** The flavors of cells, each once. */
export const flavorsOf = (cells: readonly Cell[]): string[] => [
  ...new Set(cells.flatMap((cell) => flavorOf(cell) ?? [])),
];

/** Lines for a reader about a finished asset. */
export const summaryOf = (facts: Facts): string[] => kindNamed(facts.kind).summary(facts);

/** From the start of the VMM to an SSH login, ms: the slowest of an asset's boots; undefined where there was none. */
export const loginMsOf = (facts: Facts): number | undefined => kindNamed(facts.kind).loginMs(facts);
