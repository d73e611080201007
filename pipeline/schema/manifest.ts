import { z } from "zod";
import { unique } from "../util/unique.ts";
import type { Cells } from "./cells.ts";
import { Sha256 } from "./digest.ts";
import { ofKind } from "./kinds/index.ts";
import { Arch, assetUrl, KERNEL_FORMATS, KernelFormat, kernelAsset, kernelFormatOf, Vmm } from "./names.ts";

const WireSha256 = Sha256.describe("sha256 of the bytes on the wire, lower-case hex");
const Size = z.int().positive().describe("length on the wire, bytes");
/** The last segment is the file's name, also on mirrors, so it must be free of ambiguity: no query, escape or fragment. */
const Url = z
  .string()
  .regex(
    /^https:\/\/[^/?#@\\\s]+(\/[^/?#\\\s]+)*\/[A-Za-z0-9_-][A-Za-z0-9._-]*$/,
    "expected the https address of a file (https://HOST/PATH/NAME)",
  );

const KernelRow = z.strictObject({
  arch: Arch,
  format: KernelFormat,
  url: Url,
  sha256: WireSha256,
  size: Size,
});
const BaseRow = z.strictObject({
  flavor: z.string(),
  arch: Arch,
  rootfs_url: Url,
  rootfs_sha256: WireSha256,
  rootfs_size: Size,
});
const ImageRow = z.strictObject({
  preset: z.string(),
  arch: Arch,
  vmm: Vmm,
  flavor: z.string(),
  kernel_url: Url,
  kernel_sha256: WireSha256,
  rootfs_url: Url,
  rootfs_sha256: WireSha256,
  rootfs_size: Size,
});

/** `out/manifest.json`: what is published at the tag. It has a row for an image only after the image is published. */
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

/** The digests of a tag's assets, by asset name: the recorded digests, or those of a staging directory. */
export interface Digests {
  readonly tag: string;
  readonly assets: Readonly<Record<string, { readonly sha256: string; readonly size: number }>>;
}

/**
 * The manifest for the declared tag, with a row for each image whose digests are given. Without digests for this tag it
 * has no rows.
 * @param local whether to include images that are only built locally (`published: false`)
 * @param urlOf the address of an asset. @default its address on the GitHub release
 */
export function manifestOf(
  cells: Omit<Cells, "$comment">,
  digests: Digests | undefined,
  local = false,
  urlOf = (asset: string) => assetUrl(cells.repository, cells.tag, asset),
): Manifest {
  const { tag, repository, vmms } = cells;
  const recorded = digests?.tag === tag ? digests.assets : {};
  const published = (asset: string) => {
    const { sha256, size } = recorded[asset] ?? {};
    return sha256 && size ? [{ url: urlOf(asset), sha256, size }] : [];
  };
  const rootfs = (asset: string) =>
    published(asset).map((row) => ({
      rootfs_url: row.url,
      rootfs_sha256: row.sha256,
      rootfs_size: row.size,
    }));

  const offered = cells.cells.filter((cell) => cell.published || local);
  const archs = unique(offered.map(({ arch }) => arch));
  const presets = ofKind(offered, "preset");
  return {
    schema_version: 1,
    tag,
    repository,
    kernels: archs.flatMap((arch) =>
      KERNEL_FORMATS.flatMap((format) =>
        published(kernelAsset(arch, format)).map((row) => ({ arch, format, ...row })),
      ),
    ),
    bases: ofKind(offered, "base").flatMap(({ flavor, arch, assets }) =>
      rootfs(assets[0]!).map((row) => ({ flavor, arch, ...row })),
    ),
    images: unique(presets.map(({ preset }) => preset)).flatMap((preset) =>
      archs.flatMap((arch) =>
        vmms.flatMap((vmm) =>
          presets
            .filter((cell) => cell.preset === preset && cell.arch === arch && cell.vmms.includes(vmm))
            .flatMap(({ flavor, assets }) =>
              published(kernelAsset(arch, kernelFormatOf(vmm, arch))).flatMap((kernel) =>
                rootfs(assets[0]!).map((row) => ({
                  ...{ preset, arch, vmm, flavor },
                  kernel_url: kernel.url,
                  kernel_sha256: kernel.sha256,
                  ...row,
                })),
              ),
            ),
        ),
      ),
    ),
  };
}

/** The text of `out/manifest.json` and of `manifest.json` on the release. */
export const manifestText = (manifest: Manifest) => `${JSON.stringify(manifest, null, 2)}\n`;
