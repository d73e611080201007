import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The root directory of this package: the nearest parent directory with a package.json. It is the same for the
 * TypeScript source and for the compiled JavaScript.
 */
export const PACKAGE = rootAbove(fileURLToPath(import.meta.url));

function rootAbove(path: string): string {
  const directory = dirname(path);
  if (existsSync(join(directory, "package.json")) || directory === path) return directory;
  return rootAbove(directory);
}
