import { z } from "zod";
import { MODULE_SETS } from "./choices.ts";

/** A module of an appliance, as the build found it in the kernel. */
export const ResolvedModule = z.strictObject({
  /** The name that modprobe takes; for a dependency, the one that `modules.dep` gives. */
  name: z.string(),
  /** The smallest set that it is in, `declared`, or `dependency` if only other modules need it. */
  set: z.enum([...MODULE_SETS, "declared", "dependency"]),
  essential: z.boolean(),
  /** `builtin`: part of the kernel itself; `absent`: the kernel lacks it, which is allowed for an optional one. */
  state: z.enum(["module", "builtin", "absent"]),
  /** Its file below `/lib/modules/<release>/`, and the size of that, bytes; null and 0 unless it is a `module`. */
  file: z.string().nullable(),
  size: z.int().nonnegative(),
});
export type ResolvedModule = z.infer<typeof ResolvedModule>;

/** `/boot/modules.json` in the container image of an appliance. */
export const ResolvedModules = z.strictObject({
  /** The kernel's release, as `uname -r` says it. */
  release: z.string(),
  /** The package that the kernel was unpacked from, and its version. */
  package: z.string(),
  version: z.string(),
  /** Those of the cell in its order, and then the dependencies by name. */
  modules: z.array(ResolvedModule).min(1),
});
export type ResolvedModules = z.infer<typeof ResolvedModules>;
