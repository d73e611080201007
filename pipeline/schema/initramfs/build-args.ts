import type { InitramfsCell } from "../cells.ts";

/** The build arguments of an appliance's Dockerfile, except the two root file systems. */
export const initramfsBuildArgs = ({ mode, kernel, modules }: InitramfsCell): Record<string, string> => ({
  BUILDMODE: mode,
  KERNEL_PACKAGE: kernel.package,
  KERNEL_VERSION: kernel.version,
  // What the script in the build stage reads, one word for each: name:set:essential|other:optional|needed.
  MODULES: modules
    .map(({ name, set, essential, optional }) =>
      [name, set, essential ? "essential" : "other", optional ? "optional" : "needed"].join(":"),
    )
    .join(" "),
});
