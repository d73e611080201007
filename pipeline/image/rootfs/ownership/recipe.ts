import { BOOT_FILES } from "../../../schema/boot-files.ts";
import type {
  BaseCell,
  Cells,
  Copied,
  Embedded,
  InitramfsCell,
  Omitted,
  PresetCell,
  Unowned,
} from "../../../schema/cells.ts";
import { idsBelow, ofKind } from "../../../schema/kinds/index.ts";
import { globs } from "./glob.ts";
import type { OwnerOf } from "./owner.ts";

/** What a recipe puts into an image, apart from the packages of the distribution, npm and Python. */
export interface Recipe {
  /** The name of the image: a cell's id, or the name that a user gave. */
  readonly name: string;
  /** The programs and source trees that it copies in. */
  readonly copies: readonly Copied[];
  /** The programs and libraries inside npm packages. */
  readonly embeds: readonly Embedded[];
  /** The files and links that it writes itself, as patterns of absolute paths: such as a lockfile or the link to a preset's program. */
  readonly writes: readonly string[];
  /** What nothing else explains, each with the reason. */
  readonly unowned: readonly Unowned[];
  /** What the image leaves out of its packages, each with the reason. */
  readonly omits: readonly Omitted[];
}

/** The files that every image has from this project. `/etc/hostname`, `/etc/hosts` and `/etc/mtab` are Docker's, rewritten. */
const COMMON = [...BOOT_FILES.map(({ to }) => to), "/etc/hostname", "/etc/hosts", "/etc/mtab"];

/** The recipe of an image without a cell. */
export const plainRecipe = (name: string): Recipe => ({
  ...{ name, copies: [], embeds: [], writes: COMMON, unowned: [], omits: [] },
});

/** The recipe of a cell, with that of its base. */
export function recipeOf(
  { cells }: Pick<Cells, "cells">,
  cell: BaseCell | PresetCell | InitramfsCell,
): Recipe {
  const below = idsBelow(cell).base;
  const all = [...ofKind(cells, "base").filter(({ id }) => id === below), cell];
  return {
    name: cell.id,
    copies: all.flatMap(({ copies = [] }) => copies),
    embeds: all.flatMap(({ embeds = [] }) => embeds),
    writes: [...COMMON, ...all.flatMap(({ writes = [] }) => writes)],
    unowned: all.flatMap(({ unowned = [] }) => unowned),
    omits: all.flatMap(({ omits = [] }) => omits),
  };
}

/** The files of a recipe. A copied directory has everything below it that is not excluded. */
export function recipeOwners({ name, copies, writes }: Recipe): OwnerOf {
  const written = writes.map(globs);
  return (entry) => {
    const copy = copies.find(({ path, except = [] }) => {
      const inside = `/${entry.path}`.startsWith(`${path}/`);
      return (
        `/${entry.path}` === path ||
        (inside && !except.some((part) => `/${entry.path}/`.startsWith(`${path}/${part}/`)))
      );
    });
    if (copy) return { origin: "recipe", name: copy.name };
    return written.some((matches) => matches(`/${entry.path}`)) ? { origin: "recipe", name } : undefined;
  };
}

/** The files that are declared to have no owner. `used` gets each pattern that a file matches. */
export function declaredOwners({ unowned }: Recipe, used: Set<string>): OwnerOf {
  const patterns = unowned.map(({ paths, reason }) => ({ paths, matches: globs(paths), reason }));
  return ({ path }) => {
    const found = patterns.find(({ matches }) => matches(`/${path}`));
    if (!found) return undefined;
    used.add(found.paths);
    return { origin: "declared", name: found.reason };
  };
}
