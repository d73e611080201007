import { existsSync } from "node:fs";
import { join } from "node:path";
import { upwards } from "./upwards.ts";

/**
 * The root directory of this package: the nearest parent directory with a package.json. It is the same for the
 * TypeScript source and for the compiled JavaScript.
 */
export const PACKAGE = upwards(import.meta.dirname).find((each) => existsSync(join(each, "package.json")))!;
