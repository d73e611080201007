import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CELLS_PATH, Cells } from "../schema/cells.ts";

/** The package that this file is part of: what it was released with, and what images are made with. */
export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** The cells that this package declares. */
export async function bundledCells(): Promise<Cells> {
  return Cells.parse(JSON.parse(await readFile(join(PACKAGE, CELLS_PATH), "utf8")));
}
