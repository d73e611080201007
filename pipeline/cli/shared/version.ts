import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { PACKAGE } from "../../util/package.ts";

/** This package's version and the tag of its release: `0.1.0 (images-v0.0.15)`. */
export function version(): string {
  const { version: number } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  try {
    return `${number} (${JSON.parse(readFileSync(join(PACKAGE, MANIFEST_PATH), "utf8")).tag})`;
  } catch {
    // Commands that need the manifest report what is wrong with it.
    return number;
  }
}
