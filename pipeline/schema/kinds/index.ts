import type { Cell } from "../cells.ts";
import type { Facts } from "../facts.ts";
import { type Arch, sbomAsset } from "../names.ts";
import { base } from "./base.ts";
import { initramfs } from "./initramfs.ts";
import { kernel } from "./kernel.ts";
import type { CellOf, Coordinates, Kind, KindName } from "./kind.ts";
import { preset } from "./preset.ts";

export type { CellOf, Coordinates, HandedOn, KindName } from "./kind.ts";

/** Every kind of cell, in build order: each kind depends only on kinds before it. */
export const KINDS: { readonly [K in KindName]: Kind<CellOf<K>> } = {
  ...{ kernel, base, preset },
  initramfs,
};
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** The kinds whose cells are published, each built by a job of the workflow. */
export const PUBLISHED_KINDS: readonly KindName[] = KIND_NAMES.filter(
  (kind) => kindNamed(kind).matrix !== undefined,
);

export function kindNamed(kind: KindName): Kind {
  return KINDS[kind] as Kind;
}

/** `codex-amd64-ubuntu`, `base-amd64-ubuntu`, `kernel-amd64`. */
export const cellId = (cell: Coordinates): string => kindNamed(cell.kind).id(cell);

/** The names of a cell's files on the release. Every cell's asset names are made here. */
export const assetNames = (cell: Coordinates, defaultFlavor: string): string[] =>
  kindNamed(cell.kind).assets(cell, defaultFlavor);

/** The ids of the cells that a cell depends on, by their kind: `{ kernel: "kernel-amd64", base: "base-amd64-ubuntu" }`. */
export const idsBelow = (cell: Cell): Partial<Record<KindName, string>> =>
  Object.fromEntries(
    Object.entries(kindNamed(cell.kind).dependsOn).map(([kind, idOf]) => [kind, idOf(cell)]),
  );

/** Sorts cells into build order: by kind; the order within a kind stays. */
export const inBuildOrder = (cells: readonly Cell[]): Cell[] =>
  KIND_NAMES.flatMap((kind) => ofKind(cells, kind));

export const ofKind = <K extends KindName>(cells: readonly Cell[], kind: K): CellOf<K>[] =>
  cells.filter((cell): cell is CellOf<K> => cell.kind === kind);

/** Whether a machine of an arch can build a cell. */
export const buildsOn = (arch: Arch, cell: Cell): boolean =>
  cell.arch === arch || kindNamed(cell.kind).anyArch;

/** The flavor of a cell; null for a kernel, which serves all flavors. */
export const flavorOf = (cell: Cell): string | null => ("flavor" in cell ? cell.flavor : null);

/** The preset of a cell; null for a base or a kernel. */
export const presetOf = (cell: Cell): string | null => ("preset" in cell ? cell.preset : null);

/** Whether facts say of themselves that they are those of an asset of the cell, with its inventory. */
export const isFactsOf = (cell: Cell, facts: Facts): boolean =>
  facts.id === cell.id &&
  facts.kind === cell.kind &&
  facts.arch === cell.arch &&
  ("flavor" in facts ? facts.flavor : null) === flavorOf(cell) &&
  ("preset" in facts ? facts.preset : null) === presetOf(cell) &&
  cell.assets.includes(facts.asset) &&
  facts.sbom.asset === sbomAsset(facts.asset);

/** The names of all files of a cell in a staging directory, apart from those that describe the directory. */
export const stagedFilesOf = (cell: Cell): string[] => [
  ...cell.assets.flatMap((asset) => [asset, `${asset}.json`, sbomAsset(asset)]),
  ...(kindNamed(cell.kind).beside?.(cell) ?? []),
];

/** The flavors of cells, without duplicates. */
export const flavorsOf = (cells: readonly Cell[]): string[] => [
  ...new Set(cells.flatMap((cell) => flavorOf(cell) ?? [])),
];

/** A few lines that describe a finished asset to a reader. */
export const summaryOf = (facts: Facts): string[] => kindNamed(facts.kind).summary(facts);

/** The time from the start of the VMM to the SSH login, ms, of the slowest boot of an asset; undefined if it had no login. */
export const loginMsOf = (facts: Facts): number | undefined => kindNamed(facts.kind).loginMs(facts);
