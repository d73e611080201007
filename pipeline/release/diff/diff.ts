import type { Package, PackageType } from "../../schema/facts.ts";
import type { AssetContents, CellContents, ReleaseContents } from "./contents.ts";

/** An asset that both releases have, with other bytes. */
export interface AssetChange {
  readonly cell: string;
  readonly asset: string;
  /** On the wire, bytes. */
  readonly size: Change<number>;
  /** All files in the image, bytes; null for a kernel, or if it is not recorded. */
  readonly content_size: Change<number> | null;
  /** From the start of QEMU to the SSH login, ms; null if it is not recorded, or was measured with different accelerators. */
  readonly boot_ms: Change<number> | null;
}

interface Change<T> {
  readonly from: T;
  readonly to: T;
}

/** An input of cells that has changed; null where a release does not have it. */
export interface PinChange extends Change<string | null> {
  readonly name: string;
  readonly cells: readonly string[];
}

/** The versions of a package in an image; npm can install several. `from` is empty if it was added, `to` if it was removed. */
export interface PackageChange extends Change<readonly string[]> {
  readonly type: PackageType;
  readonly name: string;
}

/** Changes that the same cells have. */
interface PackageChanges {
  readonly cells: readonly string[];
  readonly changes: readonly PackageChange[];
}

/** A large file that has another size, bytes; null if it is not there, or too small to be listed (LISTED). */
export interface FileChange extends Change<number | null> {
  readonly path: string;
  readonly cells: readonly string[];
}

/** What is different between two releases. Cells are ids. */
export interface ReleaseDiff {
  readonly schema_version: 1;
  /** Tags. */
  readonly from: string;
  readonly to: string;
  readonly cells: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    /** With the same bytes. */
    readonly unchanged: readonly string[];
  };
  readonly assets: readonly AssetChange[];
  readonly pins: readonly PinChange[];
  /** Each change once. Those of the most cells come first. */
  readonly packages: readonly PackageChanges[];
  /** The largest changes come first. */
  readonly files: readonly FileChange[];
}

/** Compares two releases. Packages, pins and files are compared in cells that both have. */
export function diffReleases(a: ReleaseContents, b: ReleaseContents): ReleaseDiff {
  const [before, after] = [a, b].map(({ cells }) => new Map(cells.map((cell) => [cell.id, cell])));
  const added = b.cells.filter(({ id }) => !before!.has(id));
  const removed = a.cells.filter(({ id }) => !after!.has(id));
  const both = a.cells.flatMap((cell): Pair[] => {
    const then = after!.get(cell.id);
    return then ? [[cell, then]] : [];
  });
  const ids = new Set([...a.cells, ...b.cells].map(({ id }) => id));
  const assets = both.flatMap(changedAssets);
  const changed = new Set(assets.map(({ cell }) => cell));
  const sameNames = ([one, other]: Pair) => namesOf(one) === namesOf(other);
  return {
    schema_version: 1,
    from: a.tag,
    to: b.tag,
    cells: {
      added: idsOf(added),
      removed: idsOf(removed),
      unchanged: idsOf(both.flatMap((pair) => (changed.has(pair[0].id) || !sameNames(pair) ? [] : pair[0]))),
    },
    assets,
    // A base of other inputs has changes of its own, which are listed.
    pins: byCells(both, changedPins).filter(({ name }) => !ids.has(name)),
    packages: changedPackages(both),
    files: byCells(both, changedFiles).sort((one, other) => growth(other) - growth(one)),
  };
}

/** A cell in both releases. */
type Pair = readonly [CellContents, CellContents];

const idsOf = (cells: readonly CellContents[]) => cells.map(({ id }) => id).sort();
const namesOf = ({ assets }: CellContents) =>
  assets
    .map(({ name }) => name)
    .sort()
    .join();

function changedAssets([{ id: cell, assets }, then]: Pair): AssetChange[] {
  return assets.flatMap((one): AssetChange[] => {
    const other = then.assets.find(({ name }) => name === one.name);
    if (!other || other.sha256 === one.sha256) return [];
    const { content_size: from, boot } = one;
    const { content_size: to } = other;
    return [
      {
        ...{ cell, asset: one.name, size: { from: one.size, to: other.size } },
        content_size: from === undefined || to === undefined ? null : { from, to },
        boot_ms: isComparable(one, other) ? { from: boot!.ms, to: other.boot!.ms } : null,
      },
    ];
  });
}

/** Whether the boot times of two assets can be compared. */
export const isComparable = (one: Pick<AssetContents, "boot">, other: Pick<AssetContents, "boot">): boolean =>
  one.boot !== undefined && one.boot.accel === other.boot?.accel;

/** The changes of cells, each once, with the ids of the cells that have it; sorted by their text. */
function byCells<T extends object>(
  pairs: readonly Pair[],
  changesOf: (pair: Pair) => readonly T[],
): (T & { readonly cells: readonly string[] })[] {
  const found = new Map<string, { change: T; cells: string[] }>();
  for (const pair of pairs) {
    for (const change of changesOf(pair)) {
      const key = JSON.stringify(change);
      const known = found.get(key);
      if (known) known.cells.push(pair[0].id);
      else found.set(key, { change, cells: [pair[0].id] });
    }
  }
  return [...found]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, { change, cells }]) => ({ ...change, cells: cells.sort() }));
}

function changedPins([{ made_from: one }, { made_from: other }]: Pair): Omit<PinChange, "cells">[] {
  return one && other ? changesIn(one, other).map(([name, change]) => ({ name, ...change })) : [];
}

function changedFiles([{ files: one }, { files: other }]: Pair): Omit<FileChange, "cells">[] {
  return one && other ? changesIn(one, other).map(([path, change]) => ({ path, ...change })) : [];
}

/** The keys with different values, each with both values. */
function changesIn<T>(
  one: Readonly<Record<string, T>>,
  other: Readonly<Record<string, T>>,
): [string, Change<T | null>][] {
  const valueIn = (record: Readonly<Record<string, T>>, key: string) =>
    Object.hasOwn(record, key) ? record[key]! : null;
  return [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .map((key): [string, Change<T | null>] => [key, { from: valueIn(one, key), to: valueIn(other, key) }])
    .filter(([, { from, to }]) => from !== to);
}

const growth = ({ from, to }: Change<number | null>) => Math.abs((to ?? 0) - (from ?? 0));

function changedPackages(pairs: readonly Pair[]): PackageChanges[] {
  const groups = new Map<string, { cells: readonly string[]; changes: PackageChange[] }>();
  for (const { cells, ...change } of byCells(pairs, packageChanges)) {
    const key = cells.join();
    const group = groups.get(key) ?? { cells, changes: [] };
    group.changes.push(change);
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => other.cells.length - one.cells.length);
}

function packageChanges([one, other]: Pair): PackageChange[] {
  const [before, after] = [versionsIn(one.packages), versionsIn(other.packages)];
  return [...new Map([...before, ...after])].flatMap(([key, { type, name }]): PackageChange[] => {
    const [from, to] = [before, after].map((versions) => [...(versions.get(key)?.versions ?? [])].sort());
    return from!.join("\n") === to!.join("\n") ? [] : [{ type, name, from: from!, to: to! }];
  });
}

/** The versions of each package, by its type and name. */
function versionsIn(packages: readonly Package[]) {
  const found = new Map<string, { type: PackageType; name: string; versions: Set<string> }>();
  for (const { type, name, version } of packages) {
    const key = `${type} ${name}`;
    const known = found.get(key) ?? { type, name, versions: new Set() };
    known.versions.add(version);
    found.set(key, known);
  }
  return found;
}
