import { existsSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "../util/package.ts";

/** What images are made with beside a project's own files: `/init`, the kernel's configuration, the tool container. */
const RECIPES = ["dockerfiles/kernel/", "dockerfiles/network/", "dockerfiles/tools/", "init/"];

/** Where a file of a project is: a recipe that the project does not have itself is this package's. */
export function locate(root: string, path: string): string {
  const own = join(root, path);
  const isRecipe = RECIPES.some((directory) => path.startsWith(directory));
  return isRecipe && !existsSync(own) ? join(PACKAGE, path) : own;
}
