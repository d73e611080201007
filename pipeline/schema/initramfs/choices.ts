import { z } from "zod";

/** The sets of kernel modules of an appliance. Each contains the ones before it. */
export const MODULE_SETS = ["minimal", "standard", "full"] as const;
export const ModuleSet = z.enum(MODULE_SETS);
/** A set of kernel modules: each contains the ones before it. */
export type ModuleSet = z.infer<typeof ModuleSet>;

/**
 * How an appliance is built. `debug`: programs without a known sha256 are allowed, symbols are kept, `/init` is verbose,
 * injects debug files and ends in a rescue shell. `release`: everything is pinned and stripped, and no debug hook is in it.
 */
export const BUILD_MODES = ["debug", "release"] as const;
export const BuildMode = z.enum(BUILD_MODES);
/** How an appliance is built: for looking into it, or for use. */
export type BuildMode = z.infer<typeof BuildMode>;

/** The version of a program in a declaration that means the newest release on the day of the build. In debug mode only. */
export const NEWEST = "newest";
