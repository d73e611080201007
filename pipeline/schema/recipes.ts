import { existsSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "../util/package.ts";

/**
 * The directories and files of the recipe: `/init`, the kernel's configuration, the tool container, network settings for
 * builds, and the scripts that unpack an appliance's kernel.
 */
const RECIPES = [
  ...["dockerfiles/initramfs/kernel.sh", "dockerfiles/initramfs/modules.sh"],
  ...["dockerfiles/kernel/", "dockerfiles/network/", "dockerfiles/tools/", "init/"],
];

/**
 * The absolute path of a project file. A recipe file that the project does not have is taken from this package.
 * @param path relative to the project's root
 */
export function locate(root: string, path: string): string {
  const own = join(root, path);
  const isRecipe = RECIPES.some((directory) => path.startsWith(directory));
  return isRecipe && !existsSync(own) ? join(PACKAGE, path) : own;
}
