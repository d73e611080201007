import type { Accounted, Package } from "../../../schema/facts.ts";
import { FileTree } from "../file-tree.ts";
import type { Rootfs } from "../normalise.ts";
import type { NpmPackage } from "../npm-packages.ts";
import { apkOwners } from "./apk.ts";
import { dpkgOwners } from "./dpkg.ts";
import { npmOwners } from "./npm.ts";
import type { Owner, OwnerOf } from "./owner.ts";
import { pythonOwners } from "./python.ts";
import { declaredOwners, type Recipe, recipeOwners } from "./recipe.ts";
import { ALPINE } from "./scripts/alpine.ts";
import { DEBIAN } from "./scripts/debian.ts";
import { type Rule, ruledOwners } from "./scripts/rule.ts";

/** A file or symlink that belongs to nobody, with the bytes that only it has. */
export interface UnownedFile {
  readonly path: string;
  readonly bytes: number;
}

/** To whom the files of a root file system belong. */
export interface Accounting {
  /** The files and bytes of each origin. */
  readonly totals: Accounted;
  /** Without an owner, the largest first. */
  readonly unowned: readonly UnownedFile[];
  /** The owner of a path; undefined for a directory, a device, and what has no owner. */
  readonly ownerOf: (path: string) => Owner | undefined;
  /** The rules about scripts that explained a file. */
  readonly rules: ReadonlySet<Rule>;
  /** The patterns of the recipe's `unowned` that a file matches. */
  readonly declared: ReadonlySet<string>;
}

/** Rules about scripts, by the type of the packages that bring them. */
export const RULES = { deb: DEBIAN, apk: ALPINE } as const satisfies Partial<
  Record<Package["type"], readonly Rule[]>
>;

/**
 * Finds the owner of each file and symlink of a root file system. The first of these that knows a path owns it: dpkg, apk,
 * Python's records, the npm package around it, the recipe, packages' scripts, and what is declared to have no owner. Only
 * lists and names are read, so memory stays flat for large images.
 */
export async function account(
  rootfs: Rootfs,
  { packages, npm, recipe }: { packages: readonly Package[]; npm: readonly NpmPackage[]; recipe: Recipe },
): Promise<Accounting> {
  const tree = new FileTree(rootfs.entries);
  const used = new Set<Rule>();
  const declared = new Set<string>();
  const installed = (type: Package["type"]) =>
    new Set(packages.filter((each) => each.type === type).map(({ name }) => name));
  const owners: readonly OwnerOf[] = [
    await dpkgOwners(rootfs, tree),
    await apkOwners(rootfs),
    await pythonOwners(rootfs),
    npmOwners(npm, tree),
    recipeOwners(recipe),
    ruledOwners(RULES.deb, installed("deb"), used),
    ruledOwners(RULES.apk, installed("apk"), used),
    declaredOwners(recipe, declared),
  ];
  const totals = noFiles();
  const unowned: UnownedFile[] = [];
  const byPath = new Map<string, Owner>();
  const counted = new Set<object>();
  for (const entry of rootfs.entries) {
    if (entry.type !== "file" && entry.type !== "symlink") continue;
    const bytes = entry.content && !counted.has(entry.content) ? rootfs.sizeOf(entry) : 0;
    if (entry.content) counted.add(entry.content);
    let owner: Owner | undefined;
    for (const ownerOf of owners) {
      owner = ownerOf(entry);
      if (owner) break;
    }
    if (owner) byPath.set(entry.path, owner);
    else unowned.push({ path: entry.path, bytes });
    const total = totals[owner?.origin ?? "unowned"];
    total.files += 1;
    total.bytes += bytes;
  }
  unowned.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  return { totals, unowned, ownerOf: (path) => byPath.get(path), rules: used, declared };
}

function noFiles(): { -readonly [K in keyof Accounted]: { files: number; bytes: number } } {
  const none = () => ({ files: 0, bytes: 0 });
  return {
    ...{ deb: none(), apk: none(), npm: none(), pypi: none() },
    ...{ recipe: none(), scripts: none(), declared: none(), unowned: none() },
  };
}
