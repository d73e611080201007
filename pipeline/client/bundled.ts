import { existsSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { PipelineError } from "../schema/error.ts";
import { reasonOf } from "../schema/reason.ts";

/** The package that this file is part of: what it was released with, and what images are made with. */
export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

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
