import { existsSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { reasonOf } from "../util/reason.ts";

/** Whether cells are built in a directory: in a checkout of this package or another project, and not in a package that was installed. */
export const buildsCells = (root: string): boolean =>
  !root.split(sep).includes("node_modules") && DECLARATIONS.some((path) => existsSync(join(root, path)));

/** Where a project says which images it has, from its root. */
const DECLARATIONS = ["images.ts", "pipeline/images.ts"];

/**
 * Whose images are offered: those of this package in a checkout of it; else of the project around a directory that
 * depends on this package and has cells; else those that this package was released with.
 * @param from @default the present directory
 */
export function offeringRoot(from = process.cwd()): string {
  if (buildsCells(PACKAGE)) return PACKAGE;
  if (existsSync(join(from, CELLS_PATH)) && dependsOnUs(from)) return from;
  const above = dirname(from);
  return above === from ? PACKAGE : offeringRoot(above);
}

/** Whether a directory's package.json names this package, so that its files are not read because they lie there. */
function dependsOnUs(root: string): boolean {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    return [dependencies, devDependencies].some((each) => Object.hasOwn(each ?? {}, "smolvm-images"));
  } catch {
    return false;
  }
}

/** The cells that a package or project declares. @throws PipelineError when its file is damaged */
export function bundledCells(root = PACKAGE): Cells {
  const path = join(root, CELLS_PATH);
  try {
    return Cells.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new PipelineError(`${path} is not as this version has it (${reasonOf(cause)})`, {
      code: "stale-cells",
      fix: "in a checkout run `npx smolvm-images synth`, else install the package again",
      cause,
    });
  }
}
