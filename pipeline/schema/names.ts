import { z } from "zod";

export const ARCHS = ["amd64", "arm64"] as const;
export const VMMS = ["firecracker", "qemu", "libkrun"] as const;
export const KERNEL_FORMATS = ["elf", "image"] as const;

export const Arch = z.enum(ARCHS);
export const Vmm = z.enum(VMMS);
export const KernelFormat = z.enum(KERNEL_FORMATS);
/** The architecture of a guest: `amd64` or `arm64`. */
export type Arch = z.infer<typeof Arch>;
/** The program that runs a machine. */
export type Vmm = z.infer<typeof Vmm>;
/** `elf` is the uncompressed kernel, `image` the boot image (bzImage; Image on arm64). */
export type KernelFormat = z.infer<typeof KernelFormat>;

/** On amd64 Firecracker and libkrun load an uncompressed ELF, and QEMU a bzImage; on arm64 all of them load an Image. */
const KERNEL_FORMAT_OF: Readonly<Record<Vmm, Readonly<Record<Arch, KernelFormat>>>> = {
  firecracker: { amd64: "elf", arm64: "image" },
  qemu: { amd64: "image", arm64: "image" },
  libkrun: { amd64: "elf", arm64: "image" },
};

/** The kernel format that a VMM loads for guests of `arch`. */
export const kernelFormatOf = (vmm: Vmm, arch: Arch): KernelFormat => KERNEL_FORMAT_OF[vmm][arch];

/** Names of presets, flavors and appliances are lower case. They contain no word that has another meaning in ids. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const RESERVED = new Set<string>(["base", "initramfs", "kernel", "vmlinux", "vmlinuz", ...ARCHS]);

/** Why `name` cannot be used in ids and asset names; undefined if it can. */
export function nameError(kind: "preset" | "flavor" | "appliance", name: string): string | undefined {
  if (NAME.test(name) && !name.split("-").some((word) => RESERVED.has(word))) return undefined;
  return `${kind} "${name}": a name is lower-case words and digits joined by "-", none of them ${[...RESERVED].join(", ")}`;
}

export const kernelAsset = (arch: Arch, format: KernelFormat): string => `vmlinux-${arch}.${format}`;

/** The name of an asset's inventory. The two formats of a kernel share one inventory. */
export const sbomAsset = (asset: string): string =>
  asset.replace(/\.(ext4\.zst|cpio\.xz|elf|image|efi)$/, ".cdx.json");

/** The further files of a release: the manifest that clients read, and the checksums for `sha256sum -c`. */
export const MANIFEST_ASSET = "manifest.json";
export const SUMS_ASSET = "SHA256SUMS";
/** The attestation of the manifest: a sigstore bundle, as JSON. */
export const MANIFEST_BUNDLE_ASSET = "manifest.json.sigstore.json";

/** The page about a release, for readers. Nothing is decided from it. */
export const REPORT_ASSET = "report.html";

/** What a tag of a release looks like, so that it can stand in an address and in a path. */
export const TAG = /^[A-Za-z0-9][\w.-]*$/;

/** The GitHub of every repository that is declared. */
export const GITHUB = "https://github.com";

/** The workflow that makes every release, by its path in the repository. */
export const RELEASE_WORKFLOW = ".github/workflows/build-published-images.yml";
/** The only branch that releases are made from. */
export const RELEASE_REF = "refs/heads/main";
/** The only event that starts the workflow. */
export const RELEASE_TRIGGER = "workflow_dispatch";

/** The download address of an asset of a published release. */
export function assetUrl(repository: string, tag: string, asset: string): string {
  return `${GITHUB}/${repository}/releases/download/${tag}/${asset}`;
}

/** Whether an asset is compressed, and must be unpacked to be used. */
export const isCompressed = (asset: string): boolean => asset.endsWith(".zst");

/** The file name at the end of an address. Mirrors have the file under the same name. */
export const assetNameOf = (url: string): string => new URL(url).pathname.split("/").at(-1)!;
