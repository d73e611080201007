import { dirname } from "node:path";

/** A directory and its parents, nearest first. */
export function upwards(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...upwards(above)];
}
