import { z } from "zod";
import { unique } from "../util/unique.ts";
import type { Cells } from "./cells.ts";
import { Sha256 } from "./digest.ts";
import { ofKind } from "./kinds/index.ts";
import {
  Arch,
  assetNameOf,
  assetUrl,
  KERNEL_FORMATS,
  KernelFormat,
  kernelAsset,
  kernelFormatOf,
  TAG,
  Vmm,
} from "./names.ts";
import { RecordedAsset } from "./recorded-digests.ts";

const WireSha256 = Sha256.describe("sha256 of the bytes on the wire, lower-case hex");
/** The last segment is the file's name, also on mirrors, so it must be free of ambiguity: no query, escape or fragment. */
const Url = z
  .string()
  .regex(
    /^https:\/\/[^/?#@\\\s]+(\/[^/?#\\\s]+)*\/[A-Za-z0-9_-][A-Za-z0-9._-]*$/,
    "expected the https address of a file (https://HOST/PATH/NAME)",
  );

const KernelRow = z.strictObject({ arch: Arch, format: KernelFormat, url: Url, sha256: WireSha256 });
const BaseRow = z.strictObject({
  flavor: z.string(),
  arch: Arch,
  rootfs_url: Url,
  rootfs_sha256: WireSha256,
});
/** Exactly these fields: the first reader of the rows is a strict model that refuses any other. */
const ImageRow = z.strictObject({
  preset: z.string(),
  arch: Arch,
  vmm: Vmm,
  flavor: z.string(),
  kernel_url: Url,
  kernel_sha256: WireSha256,
  rootfs_url: Url,
  rootfs_sha256: WireSha256,
});
export type ImageRow = z.infer<typeof ImageRow>;

/** What is known of an asset. */
const Asset = RecordedAsset.omit({ inputs: true, overrides: true });
export type Asset = z.infer<typeof Asset>;

const Refused = z.strictObject({
  preset: z.string(),
  flavor: z.string(),
  reason: z.string().describe("why the preset is not offered on the flavor, for users"),
});

const Fields = z.strictObject({
  schema_version: z.literal(1),
  tag: z.string().regex(TAG),
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  kernels: z.array(KernelRow),
  bases: z.array(BaseRow),
  images: z.array(ImageRow),
  assets: z.record(z.string(), Asset).describe("the files that the rows name, by file name"),
  refused: z.array(Refused),
});
export type Manifest = z.infer<typeof Fields>;

/**
 * `out/manifest.json`: what is published at the tag. It has a row for an image only after the image is published.
 *
 * Its version is still 1. Earlier programs expected further fields in the rows of version 1 (`size`, `rootfs_size`), but
 * no manifest with rows was published then. They refuse unknown fields, so they report this manifest as not valid.
 */
export const Manifest = Fields.refine((manifest) => contradiction(manifest) === undefined, {
  // Not while an address may be anything.
  when: ({ issues }) => issues.length === 0,
  error: ({ input }) => contradiction(input as Manifest),
});
export const MANIFEST_PATH = "out/manifest.json";
export const MANIFEST_SCHEMA_PATH = "out/manifest.schema.json";

/** The address and the digest of each file that the rows name; a file of several rows is there several times. */
export const filesOf = ({ kernels, bases, images }: Pick<Manifest, RowTable>): NamedFile[] => [
  ...kernels.map(({ url, sha256 }) => ({ url, sha256 })),
  ...images.map((row) => ({ url: row.kernel_url, sha256: row.kernel_sha256 })),
  ...[...bases, ...images].map((row) => ({ url: row.rootfs_url, sha256: row.rootfs_sha256 })),
];
type RowTable = "kernels" | "bases" | "images";

/** What a row and the `assets` say differently; undefined if they agree. */
function contradiction({ assets, ...rows }: Pick<Manifest, RowTable | "assets">): string | undefined {
  for (const { url, sha256 } of filesOf(rows)) {
    const name = assetNameOf(url);
    const known = assets[name]?.sha256;
    if (known !== undefined && known !== sha256) {
      return `the sha256 of ${name} is ${known} in assets, and ${sha256} in a row`;
    }
  }
  return undefined;
}

/** Why presets are not offered on flavors, as rows. */
export const refusedRows = ({ refused }: Pick<Cells, "refused">): Manifest["refused"] =>
  Object.entries(refused).flatMap(([preset, reasons]) =>
    Object.entries(reasons).map(([flavor, reason]) => ({ preset, flavor, reason })),
  );

/** A file that a row names. */
export interface NamedFile {
  readonly url: string;
  readonly sha256: string;
}

/** The digests of a tag's assets, by asset name: the recorded digests, or those of a staging directory. */
export interface Digests {
  readonly tag: string;
  readonly assets: Readonly<Record<string, Asset>>;
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
    const { sha256 } = recorded[asset] ?? {};
    return sha256 ? [{ url: urlOf(asset), sha256 }] : [];
  };
  const rootfs = (asset: string) =>
    published(asset).map((row) => ({ rootfs_url: row.url, rootfs_sha256: row.sha256 }));

  const offered = cells.cells.filter((cell) => cell.published || local);
  const archs = unique(offered.map(({ arch }) => arch));
  const presets = ofKind(offered, "preset");
  const rows = {
    schema_version: 1 as const,
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
    refused: refusedRows(cells),
  };
  const names = unique(filesOf(rows).map(({ url }) => assetNameOf(url))).sort();
  const { refused, ...tables } = rows;
  return {
    ...tables,
    assets: Object.fromEntries(names.map((name) => [name, Asset.strip().parse(recorded[name])])),
    refused,
  };
}

/** The text of `out/manifest.json` and of `manifest.json` on the release. */
export const manifestText = (manifest: Manifest) => `${JSON.stringify(manifest, null, 2)}\n`;
