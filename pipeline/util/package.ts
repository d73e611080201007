import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The root of the package that this file is part of, whether it runs as source or compiled: what it was released
 * with, and the recipes that images are made from.
 */
export const PACKAGE = rootAbove(fileURLToPath(import.meta.url));

function rootAbove(path: string): string {
  const directory = dirname(path);
  if (existsSync(join(directory, "package.json")) || directory === path) return directory;
  return rootAbove(directory);
}
