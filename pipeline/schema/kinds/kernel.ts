import { humanBytes } from "../../util/human-bytes.ts";
import type { KernelCell } from "../cells.ts";
import { type Arch, KERNEL_FORMATS, kernelAsset } from "../names.ts";
import type { Kind } from "./kind.ts";

/** The id of the kernel cell whose kernel boots the images of an arch. */
export const kernelId = ({ arch }: { readonly arch: Arch }): string => `kernel-${arch}`;

export const kernel: Kind<KernelCell> = {
  idForm: "kernel-<arch>",
  id: kernelId,
  assets: ({ arch }) => KERNEL_FORMATS.map((format) => kernelAsset(arch, format)),
  // The resolved configuration.
  beside: ({ arch }) => [`vmlinux-${arch}.config`],
  anyArch: true,
  dependsOn: {},
  matrix: "kernels",
  handedOn: { made: "kernel", taken: "kernel", directory: "out/cache/kernels" },
  // Which machine starts which format depends on the arch: a boot on any is one that the verify stage asked for.
  unproven: (proven) => (proven.length > 0 ? [] : ["qemu-pci"]),
  summary: ({ asset, size, source, boot }) => [
    `${asset}: ${humanBytes(size)}, from ${source}`,
    ...boot.map(
      ({ rootfs, machine, accel, init_uptime_s: init }) =>
        `PID 1 at ${init.toFixed(1)} s on ${machine} (${accel})` +
        `${rootfs ? `, SSH login after ${(rootfs.ms / 1000).toFixed(1)} s: ${rootfs.id}` : ", no further"}`,
    ),
  ],
  loginMs: ({ boot }) => {
    const logins = boot.flatMap(({ rootfs }) => (rootfs ? [rootfs.ms] : []));
    return logins.length > 0 ? Math.max(...logins) : undefined;
  },
};
