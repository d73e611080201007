import { humanBytes } from "../../util/human-bytes.ts";
import type { InitramfsCell } from "../cells.ts";
import type { CoordinatesOf, Kind } from "./kind.ts";

const initramfsId = ({ name, arch }: CoordinatesOf<InitramfsCell>) => `initramfs-${name}-${arch}`;

/** An appliance. It boots with its own kernel, and needs no other cell. */
export const initramfs: Kind<InitramfsCell> = {
  idForm: "initramfs-<name>-<arch>",
  id: initramfsId,
  assets: (coordinates) => [
    `${initramfsId(coordinates)}.cpio.xz`,
    `vmlinuz-${coordinates.name}-${coordinates.arch}.efi`,
  ],
  // The log of the build.
  beside: (coordinates) => [`${initramfsId(coordinates)}.log`],
  anyArch: false,
  dependsOn: {},
  // Each of its two assets is booted in its own way, which its facts say.
  unproven: (proven) => (proven.length > 0 ? [] : ["qemu-pci"]),
  summary: ({ asset, size, mode, kernel, boot }) => [
    `${asset}: ${humanBytes(size)}, ${mode} mode, ${kernel.package} ${kernel.version}`,
    ...boot.map(
      ({ started, accel, program_uptime_s: program, services, used_mib: used }) =>
        `init program at ${program.toFixed(1)} s (${started}, ${accel}), ${services.length} services, ${used} MiB in use`,
    ),
  ],
  loginMs: () => undefined,
};
