import { z } from "zod";
import { Arch, KernelFormat, Vmm } from "./names.ts";

const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe("sha256 of the bytes on the wire, lower-case hex");
const Size = z.int().positive().describe("length on the wire, bytes");
const Url = z.string().regex(/^https:\/\//);

const KernelRow = z.strictObject({ arch: Arch, format: KernelFormat, url: Url, sha256: Sha256, size: Size });
const BaseRow = z.strictObject({
  flavor: z.string(),
  arch: Arch,
  rootfs_url: Url,
  rootfs_sha256: Sha256,
  rootfs_size: Size,
});
const ImageRow = z.strictObject({
  preset: z.string(),
  arch: Arch,
  vmm: Vmm,
  flavor: z.string(),
  kernel_url: Url,
  kernel_sha256: Sha256,
  rootfs_url: Url,
  rootfs_sha256: Sha256,
  rootfs_size: Size,
});

/** `out/manifest.json`: what is published at the tag. A row exists only once its bytes are. */
export const Manifest = z.strictObject({
  schema_version: z.literal(1),
  tag: z.string(),
  repository: z.string(),
  kernels: z.array(KernelRow),
  bases: z.array(BaseRow),
  images: z.array(ImageRow),
});
export type Manifest = z.infer<typeof Manifest>;
export const MANIFEST_PATH = "out/manifest.json";
export const MANIFEST_SCHEMA_PATH = "out/manifest.schema.json";
