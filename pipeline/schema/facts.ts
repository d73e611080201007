import { z } from "zod";
import { Sha256 } from "./digest.ts";
import { Arch, KernelFormat } from "./names.ts";

const Package = z.strictObject({
  type: z.enum(["deb", "apk", "npm", "pypi"]),
  name: z.string(),
  version: z.string(),
});
export type Package = z.infer<typeof Package>;

const boot = {
  vmm: z.literal("qemu"),
  accel: z.enum(["kvm", "tcg"]),
  /** Guest uptime, seconds, when PID 1 began. */
  init_uptime_s: z.number().nonnegative(),
};
const login = {
  /** From the start of QEMU to a finished SSH login, milliseconds of wall time. */
  ms: z.int().nonnegative(),
  /** Guest uptime, seconds, when `/init` was about to start sshd. */
  ready_uptime_s: z.number().nonnegative(),
};

export const BootFacts = z.strictObject({
  ...boot,
  ...login,
  /** The kernel that booted it (sha256), so that a figure can be compared with another. */
  kernel_sha256: Sha256,
  /** What the preset's own check printed; null for a base, which has none. */
  check: z.strictObject({ command: z.array(z.string()), output: z.string() }).nullable(),
});
export type BootFacts = z.infer<typeof BootFacts>;

/** One boot of a kernel, in one format on one kind of machine. */
export const KernelBootFacts = z.strictObject({
  ...boot,
  /** The format that was started: of one build, where QEMU cannot start the asset's own. */
  started: KernelFormat,
  machine: z.enum(["pci", "mmio"]),
  /** The base that it booted to an SSH login; null for the probe, which only says that it runs. */
  rootfs: z
    .strictObject({
      id: z.string(),
      /** What that base was made from: a kernel is not proven with another one of the same name. */
      inputs: Sha256,
      /** Where the base's first files came from. */
      source: z.string(),
      ...login,
    })
    .nullable(),
});
export type KernelBootFacts = z.infer<typeof KernelBootFacts>;

/** The inventory beside an asset, in short. */
const SbomFacts = z.strictObject({
  asset: z.string(),
  sha256: Sha256,
  size: z.int().positive(),
  /** How many packages it names, by their type. */
  components: z.record(z.string(), z.int().positive()),
});

const common = {
  schema_version: z.literal(1),
  id: z.string(),
  arch: Arch,
  asset: z.string(),
  /** Of the asset: the bytes on the wire. */
  sha256: Sha256,
  size: z.int().positive(),
  /** Of the image inside: the ext4 file system; a kernel is not compressed, and is its own image. */
  image_sha256: Sha256,
  image_size: z.int().positive(),
  /** The cell's `inputs` when it was made as declared; another hash when something was overridden. */
  inputs: Sha256,
  /** What was not as declared (`rootfs=…`, `SOURCE_DATE_EPOCH=…`); empty for a publishable asset. */
  overrides: z.array(z.string()),
  /** Where the base's first files came from; the source package of a kernel. */
  source: z.string(),
  sbom: SbomFacts,
};

export const RootfsFacts = z.strictObject({
  ...common,
  kind: z.enum(["base", "preset"]),
  flavor: z.string(),
  preset: z.string().nullable(),
  zstd_level: z.int(),
  /** The bytes of all files. */
  content_size: z.int().positive(),
  boot: BootFacts,
  packages: z.array(Package),
});
export type RootfsFacts = z.infer<typeof RootfsFacts>;

export const KernelFacts = z.strictObject({
  ...common,
  kind: z.literal("kernel"),
  format: KernelFormat,
  /** The boots that proved it, in this format. */
  boot: z.array(KernelBootFacts).min(1),
  /** What it was made with: its source and the toolchain. */
  packages: z.array(Package),
});
export type KernelFacts = z.infer<typeof KernelFacts>;

/** `<asset>.json` beside a finished, verified asset in the directory store. */
export const Facts = z.discriminatedUnion("kind", [RootfsFacts, KernelFacts]);
export type Facts = z.infer<typeof Facts>;
