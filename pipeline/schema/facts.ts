import { z } from "zod";
import { unique } from "../util/unique.ts";
import { Sha256 } from "./digest.ts";
import { FramesPlace } from "./frames-place.ts";
import { BuildMode } from "./initramfs/choices.ts";
import { ResolvedModule } from "./initramfs/resolved.ts";
import { Arch, KernelFormat } from "./names.ts";

/** The types of package URLs: https://github.com/package-url/purl-spec. `generic` is a program that is no package. */
export const PackageType = z.enum(["deb", "apk", "npm", "pypi", "cargo", "generic", "github"]);
export type PackageType = z.infer<typeof PackageType>;

/** The version of a program that does not say it, and that nobody declares. */
export const UNKNOWN_VERSION = "unknown";

const Package = z.strictObject({
  type: PackageType,
  name: z.string(),
  /** UNKNOWN_VERSION if nothing says it. */
  version: z.string(),
});
export type Package = z.infer<typeof Package>;

/**
 * What an asset was proven on: a VMM, and for QEMU the bus of the machine's devices. `qemu-mmio` is the nearest stand-in
 * for Firecracker, and for libkrun's ELF kernel, on a host without KVM.
 */
export const ProvenOn = z.enum(["qemu-pci", "qemu-mmio", "firecracker"]);
export type ProvenOn = z.infer<typeof ProvenOn>;

export const Accel = z.enum(["kvm", "tcg"]);
const DeviceBus = z.enum(["pci", "mmio"]);

const boot = {
  vmm: z.literal("qemu"),
  accel: Accel,
  /** Guest uptime at the start of PID 1, seconds. */
  init_uptime_s: z.number().nonnegative(),
};
const login = {
  /** Wall time from the start of QEMU to a finished SSH login, milliseconds. */
  ms: z.int().nonnegative(),
  /** Guest uptime when `/init` had started sshd, seconds. */
  ready_uptime_s: z.number().nonnegative(),
};

export const BootFacts = z.strictObject({
  ...boot,
  ...login,
  /** The sha256 of the kernel that booted it. Boot times are comparable only for the same kernel. */
  kernel_sha256: Sha256,
  /** The preset's check command and its output; null for a base, which has no check. */
  check: z.strictObject({ command: z.array(z.string()), output: z.string() }).nullable(),
});
export type BootFacts = z.infer<typeof BootFacts>;

/** One boot that an asset has passed. */
export const ProofFacts = z.strictObject({
  vmm: z.enum(["qemu", "firecracker"]),
  /** The bus of the machine's devices. Firecracker's is always MMIO. */
  machine: DeviceBus,
  /** The format of the kernel that the VMM started. */
  format: KernelFormat,
  accel: Accel,
});
export type ProofFacts = z.infer<typeof ProofFacts>;

const PROVEN_ON = {
  qemu: { pci: "qemu-pci", mmio: "qemu-mmio" },
  firecracker: { pci: "firecracker", mmio: "firecracker" },
} as const satisfies Record<ProofFacts["vmm"], Record<ProofFacts["machine"], ProvenOn>>;

/** What a boot proves its asset on. */
export const provenOn = ({ vmm, machine }: Pick<ProofFacts, "vmm" | "machine">): ProvenOn =>
  PROVEN_ON[vmm][machine];

/**
 * What every root file system is booted on before it may be staged: the machines on which VMMs start the two formats of a
 * kernel.
 */
const NEEDED_PROOFS = ["qemu-pci", "qemu-mmio"] as const satisfies readonly ProvenOn[];

/** Those of NEEDED_PROOFS that a root file system does not have. */
export const missingProofs = (proven: readonly ProvenOn[]): ProvenOn[] =>
  NEEDED_PROOFS.filter((each) => !proven.includes(each));

/** The boots of a root file system: each of NEEDED_PROOFS is there. */
const Proven = z.array(ProofFacts).superRefine((boots, context) => {
  for (const needed of missingProofs(boots.map(provenOn)))
    context.addIssue({ code: "custom", message: `the image was not booted on ${needed}` });
});

/** One boot of a kernel: one format on one QEMU machine type. */
export const KernelBootFacts = z.strictObject({
  ...boot,
  /** The format that QEMU started. If QEMU cannot start the asset's format, this is the other format of the same build. */
  started: KernelFormat,
  machine: DeviceBus,
  /** The base that it booted up to an SSH login; null for the probe, which only shows that the kernel starts PID 1. */
  rootfs: z
    .strictObject({
      id: z.string(),
      /** The inputs hash of that base. The proof does not hold for a base with other inputs. */
      inputs: Sha256,
      /** The root file system that the base was made from. */
      source: z.string(),
      ...login,
    })
    .nullable(),
});
export type KernelBootFacts = z.infer<typeof KernelBootFacts>;

/** A summary of the inventory (SBOM) of an asset. */
const SbomFacts = z.strictObject({
  asset: z.string(),
  sha256: Sha256,
  size: z.int().positive(),
  /** The number of packages in it, by package type. */
  components: z.record(z.string(), z.int().positive()),
});

/** Files and symlinks, and their bytes. A file with several hard links counts its bytes once, at its first path. */
const Share = z.strictObject({ files: z.int().nonnegative(), bytes: z.int().nonnegative() });

/**
 * To whom the files of an image belong: how many files and symlinks, and how many bytes. The bytes of all of these are
 * `content_size`.
 */
export const Accounted = z.strictObject({
  /** Packages of the distribution, by the lists of dpkg or apk. */
  deb: Share,
  apk: Share,
  /** Files in the directories of npm packages. */
  npm: Share,
  /** Python packages, by their records. */
  pypi: Share,
  /** What the recipe copies in or writes. */
  recipe: Share,
  /** What packages' scripts made: caches, links, configuration. */
  scripts: Share,
  /** What the declaration says has no owner, with a reason. */
  declared: Share,
  /** Nobody's. The audit of a cell's image refuses any. */
  unowned: Share,
});
export type Accounted = z.infer<typeof Accounted>;

const common = {
  schema_version: z.literal(1),
  id: z.string(),
  arch: Arch,
  asset: z.string(),
  /** Hash and size (bytes) of the asset as it is downloaded. */
  sha256: Sha256,
  size: z.int().positive(),
  /**
   * Hash and size (bytes) of the ext4 image or cpio inside the asset. For a kernel or an EFI file, which are not
   * compressed, those of the asset.
   */
  image_sha256: Sha256,
  image_size: z.int().positive(),
  /** The cell's `inputs`, if it was made as declared; another hash if something was overridden. */
  inputs: Sha256,
  /** What was not as declared (`rootfs=…`, `SOURCE_DATE_EPOCH=…`); empty for an asset that was made as declared. */
  overrides: z.array(z.string()),
  /** The root file system that the base was made from; for a kernel, its source package; for an appliance, that of its userland. */
  source: z.string(),
  sbom: SbomFacts,
};

export const RootfsFacts = z.strictObject({
  ...common,
  kind: z.enum(["base", "preset"]),
  flavor: z.string(),
  preset: z.string().nullable(),
  zstd_level: z.int(),
  /** The table of its frames; no field if it is one frame, as earlier versions made it. */
  frames: FramesPlace.optional(),
  /** The total size of all files, bytes. */
  content_size: z.int().positive(),
  accounted: Accounted,
  /** The boot on `qemu-pci`, with the check and the audit of the guest. */
  boot: BootFacts,
  /** Every boot that it has passed, in order. All of them ended with an SSH login, except on Firecracker, where `/init` was ready. */
  proven: Proven,
  packages: z.array(Package),
});
export type RootfsFacts = z.infer<typeof RootfsFacts>;

export const KernelFacts = z.strictObject({
  ...common,
  kind: z.literal("kernel"),
  format: KernelFormat,
  /** The boots that prove this format. */
  boot: z.array(KernelBootFacts).min(1),
  /** The kernel's source package and the packages of the toolchain. */
  packages: z.array(Package),
});
export type KernelFacts = z.infer<typeof KernelFacts>;

/** One boot of an appliance, up to its init program and the services that it runs. */
export const InitramfsBootFacts = z.strictObject({
  ...boot,
  machine: DeviceBus,
  /** `initrd`: the kernel and the cpio by themselves; `efi`: the EFI file, by the firmware. */
  started: z.enum(["initrd", "efi"]),
  /** The name of the firmware's file, with the first digits of its sha256; null for a boot without firmware. */
  firmware: z.string().nullable(),
  /** Guest uptime at the start of the init program on the tmpfs, seconds. */
  program_uptime_s: z.number().nonnegative(),
  /** The memory of the guest, and what was in use when the services ran, MiB. */
  memory_mib: z.int().positive(),
  used_mib: z.int().positive(),
  /** The modules that were loaded then, sorted. */
  modules: z.array(z.string()),
  /** The services that ran, sorted. */
  services: z.array(z.string()),
});
export type InitramfsBootFacts = z.infer<typeof InitramfsBootFacts>;

export const InitramfsFacts = z.strictObject({
  ...common,
  kind: z.literal("initramfs"),
  name: z.string(),
  flavor: z.string(),
  mode: BuildMode,
  kernel: z.strictObject({ package: z.string(), version: z.string(), release: z.string() }),
  /** The modules in the cpio, in the order in which they are loaded; those that others depend on come last. */
  modules: z.array(ResolvedModule),
  /** The programs as they were fetched. */
  programs: z.array(
    z.strictObject({
      path: z.string(),
      repository: z.string(),
      version: z.string(),
      url: z.string(),
      sha256: Sha256,
    }),
  ),
  /** The total size of all files in the cpio, bytes. */
  content_size: z.int().positive(),
  /** The boots that prove this asset. */
  boot: z.array(InitramfsBootFacts).min(1),
  packages: z.array(Package),
});
export type InitramfsFacts = z.infer<typeof InitramfsFacts>;

/** `<asset>.json` beside a finished, verified asset in the staging directory. */
export const Facts = z.discriminatedUnion("kind", [RootfsFacts, KernelFacts, InitramfsFacts]);
export type Facts = z.infer<typeof Facts>;

/** What an asset was proven on, in the order of the boots. */
export const provenOf = (facts: Facts): ProvenOn[] =>
  unique(("proven" in facts ? facts.proven : facts.boot).map(provenOn));
