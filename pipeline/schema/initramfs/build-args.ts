import type { InitramfsCell } from "../cells.ts";

/** The build arguments of an appliance's Dockerfile, except the two root file systems. */
export const initramfsBuildArgs = ({
  mode,
  kernel,
  module_set: set,
}: InitramfsCell): Record<string, string> => ({
  ...{ BUILDMODE: mode, MODULE_SET: set },
  ...{ KERNEL_PACKAGE: kernel.package, KERNEL_VERSION: kernel.version },
});

/** The kernel's command line in the EFI file. Release mode is quiet. */
export const initramfsCommandLine = ({ command_line: declared, mode }: InitramfsCell): string =>
  mode === "release" ? `${declared} quiet` : declared;
