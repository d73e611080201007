/**
 * The files of the project that every appliance has: source path in the project, path in the image, and file mode. Those of
 * debug mode are not in an image of release mode.
 *
 * The Dockerfile writes two more files that `/init` reads:
 * - `/etc/initramfs/config`, lines that `.` reads: `MODE=debug`, `ROOT_MIB=1536`, `INIT="/sbin/zinit init"`;
 * - `/etc/initramfs/modules`, the names of the essential modules that the kernel has as modules, one a line, in load order.
 */
export const INITRAMFS_FILES = [
  { from: "init/initramfs/init", to: "/init", mode: 0o755, debug: false },
  { from: "init/initramfs/debug", to: "/etc/initramfs/debug", mode: 0o755, debug: true },
] as const;

/** The files that the tool container is made from in which the files of an appliance are packed. */
export const PACKING_FILES = ["dockerfiles/tools/efi.Dockerfile", "dockerfiles/tools/efi"] as const;
