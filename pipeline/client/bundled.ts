import { existsSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { reasonOf } from "../util/reason.ts";

/** Whether a package is a checkout, in which cells are built, and not one that was installed. */
export const isCheckout = (root: string): boolean =>
  !root.split(sep).includes("node_modules") && existsSync(join(root, "pipeline/images.ts"));

/** The cells that a package declares. @throws PipelineError when its file is damaged */
export function bundledCells(root = PACKAGE): Cells {
  const path = join(root, CELLS_PATH);
  try {
    return Cells.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new PipelineError(
      `${path} is not as this version has it (${reasonOf(cause)}): in a checkout run \`npm run synth\`, else install the package again`,
      { cause },
    );
  }
}
