import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { PACKAGE } from "../../util/package.ts";

/** `0.1.0 (images-v0.0.15)`: this package's version, and the release whose images it knows. */
export function version(): string {
  const { version: number } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  try {
    return `${number} (${JSON.parse(readFileSync(join(PACKAGE, MANIFEST_PATH), "utf8")).tag})`;
  } catch {
    // The commands that need the manifest say what is wrong with it.
    return number;
  }
}
