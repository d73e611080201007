import { fileURLToPath } from "node:url";

/** The package that this file is part of: what it was released with, and what images are made with. */
export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
