import { existsSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { CELLS_PATH, Cells, DECLARATIONS } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { reasonOf } from "../util/reason.ts";
import { upwards } from "../util/upwards.ts";

/**
 * Whether cells can be built in a directory: in a checkout of this package or in another project, but not in an
 * installed package.
 */
export const buildsCells = (root: string): boolean =>
  !root.split(sep).includes("node_modules") && DECLARATIONS.some((path) => existsSync(join(root, path)));

/**
 * The root of the project whose images are offered. In a checkout of this package, that is the checkout. Otherwise it is
 * the nearest project at or above `from` that has cells and depends on this package, or else the installed package.
 * @param from @default the current directory
 */
export function offeringRoot(from = process.cwd()): string {
  if (buildsCells(PACKAGE)) return PACKAGE;
  const project = upwards(from).find((root) => existsSync(join(root, CELLS_PATH)) && dependsOnUs(root));
  return project ?? PACKAGE;
}

/** Whether a directory's package.json depends on this package. Files of other directories are never read. */
function dependsOnUs(root: string): boolean {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    return [dependencies, devDependencies].some((each) => Object.hasOwn(each ?? {}, "smolvm-images"));
  } catch {
    return false;
  }
}

/** The cells of a package or project. @throws PipelineError if out/cells.json is missing or not valid */
export function bundledCells(root = PACKAGE): Cells {
  const path = join(root, CELLS_PATH);
  try {
    return Cells.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new PipelineError(`${path} is not valid for this version of the program (${reasonOf(cause)})`, {
      code: "stale-cells",
      fix: "in a checkout or project run `npx smolvm-images synth`, otherwise reinstall the package",
      cause,
    });
  }
}
