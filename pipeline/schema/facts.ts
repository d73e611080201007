import { z } from "zod";
import { Arch } from "./names.ts";

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const Package = z.strictObject({
  type: z.enum(["deb", "apk", "npm"]),
  name: z.string(),
  version: z.string(),
});
export type Package = z.infer<typeof Package>;

export const BootFacts = z.strictObject({
  vmm: z.literal("qemu"),
  accel: z.enum(["kvm", "tcg"]),
  /** From the start of QEMU to a finished SSH login, milliseconds of wall time. */
  ms: z.int().nonnegative(),
  /** Guest uptime, seconds, when `/init` was about to start sshd. */
  ready_uptime_s: z.number().nonnegative(),
  /** The kernel that booted it (sha256), so that a figure can be compared with another. */
  kernel_sha256: Sha256,
  /** What the preset's own check printed; null for a base, which has none. */
  check: z.strictObject({ command: z.array(z.string()), output: z.string() }).nullable(),
});
export type BootFacts = z.infer<typeof BootFacts>;

/** `<asset>.json` beside a finished, verified asset in the directory store. */
export const Facts = z.strictObject({
  schema_version: z.literal(1),
  id: z.string(),
  kind: z.enum(["base", "preset"]),
  arch: Arch,
  flavor: z.string(),
  preset: z.string().nullable(),
  asset: z.string(),
  /** Of the asset: the compressed bytes. */
  sha256: Sha256,
  size: z.int().positive(),
  /** Of the ext4 image inside. */
  image_sha256: Sha256,
  image_size: z.int().positive(),
  /** The cell's `inputs` when it was made as declared; another hash when something was overridden. */
  inputs: Sha256,
  /** What was not as declared (`rootfs=…`, `SOURCE_DATE_EPOCH=…`); empty for a publishable image. */
  overrides: z.array(z.string()),
  /** Where the base's first files came from. */
  source: z.string(),
  zstd_level: z.int(),
  boot: BootFacts,
  packages: z.array(Package),
});
export type Facts = z.infer<typeof Facts>;
