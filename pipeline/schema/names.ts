import { z } from "zod";

export const ARCHS = ["amd64", "arm64"] as const;
export const VMMS = ["firecracker", "qemu", "libkrun"] as const;
export const KERNEL_FORMATS = ["elf", "image"] as const;

export const Arch = z.enum(ARCHS);
export const Vmm = z.enum(VMMS);
export const KernelFormat = z.enum(KERNEL_FORMATS);
export type Arch = z.infer<typeof Arch>;
export type Vmm = z.infer<typeof Vmm>;
export type KernelFormat = z.infer<typeof KernelFormat>;

/** On amd64 Firecracker and libkrun load an uncompressed ELF, and QEMU a bzImage; on arm64 all of them load an Image. */
const KERNEL_FORMAT_OF: Readonly<Record<Vmm, Readonly<Record<Arch, KernelFormat>>>> = {
  firecracker: { amd64: "elf", arm64: "image" },
  qemu: { amd64: "image", arm64: "image" },
  libkrun: { amd64: "elf", arm64: "image" },
};

/** The format of the kernel that a VMM starts for guests of `arch`. */
export const kernelFormatOf = (vmm: Vmm, arch: Arch): KernelFormat => KERNEL_FORMAT_OF[vmm][arch];

/** Presets and flavors: lower case, and no word that the ids already use for something else. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const RESERVED = new Set<string>(["base", "kernel", "vmlinux", ...ARCHS]);

/** Why `name` cannot stand in ids and asset names; undefined where it can. */
export function nameError(kind: "preset" | "flavor", name: string): string | undefined {
  if (NAME.test(name) && !name.split("-").some((word) => RESERVED.has(word))) return undefined;
  return `${kind} "${name}": a name is lower-case words and digits joined by "-", none of them ${[...RESERVED].join(", ")}`;
}

export const kernelAsset = (arch: Arch, format: KernelFormat): string => `vmlinux-${arch}.${format}`;

/** The name of an asset's inventory; the two formats of a kernel share one. */
export const sbomAsset = (asset: string): string => asset.replace(/\.(ext4\.zst|elf|image)$/, ".cdx.json");

/** What goes along with the cells' assets: the rows that clients read, and what `sha256sum -c` reads. */
export const MANIFEST_ASSET = "manifest.json";
export const SUMS_ASSET = "SHA256SUMS";

/** Where an asset of a published release is downloaded from. */
export function assetUrl(repository: string, tag: string, asset: string): string {
  return `https://github.com/${repository}/releases/download/${tag}/${asset}`;
}
