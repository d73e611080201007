import { z } from "zod";
import type { Release } from "../constructs/release.ts";
import { PipelineError } from "../schema/error.ts";
import { LOCK_PATH, Lock } from "../schema/lock.ts";
import { Manifest } from "../schema/manifest.ts";
import {
  assetNames,
  assetUrl,
  type Coordinates,
  KERNEL_FORMATS,
  kernelAsset,
  kernelFormatOf,
} from "../schema/names.ts";

/** The recorded digests of the release's tag; none when nothing, or another tag, is recorded. */
function recordedAssets(release: Release): Lock["assets"] {
  const text = release.files(LOCK_PATH);
  if (text === undefined) return {};
  try {
    const lock = Lock.parse(JSON.parse(text));
    return lock.tag === release.tag ? lock.assets : {};
  } catch (cause) {
    throw new PipelineError(`${LOCK_PATH} does not hold recorded digests: restore it from git`, { cause });
  }
}

/** The content of `out/manifest.json`: a row for each image whose bytes are recorded as published. */
export function renderManifest(release: Release): Manifest {
  const recorded = recordedAssets(release);
  const published = (asset: string) => {
    const entry = recorded[asset];
    return entry && { url: assetUrl(release.repository, release.tag, asset), ...entry };
  };
  const rootfs = (cell: Coordinates) => published(assetNames(cell, release.defaultFlavor)[0]!);

  const kernels = release.archs.flatMap((arch) =>
    KERNEL_FORMATS.flatMap((format) => {
      const asset = published(kernelAsset(arch, format));
      return asset ? [{ arch, format, ...asset }] : [];
    }),
  );
  const flavors = release.bases.filter((base) => base.published).map((base) => base.flavor.name);
  const bases = flavors.flatMap((flavor) =>
    release.archs.flatMap((arch) => {
      const asset = rootfs({ kind: "base", arch, flavor });
      return asset
        ? [{ flavor, arch, rootfs_url: asset.url, rootfs_sha256: asset.sha256, rootfs_size: asset.size }]
        : [];
    }),
  );
  const images = release.presets.flatMap(({ preset, bases: offered }) =>
    release.archs.flatMap((arch) =>
      release.vmms.flatMap((vmm) =>
        offered
          .filter((base) => base.published)
          .flatMap(({ flavor }) => {
            const kernel = published(kernelAsset(arch, kernelFormatOf(vmm)));
            const asset = rootfs({ kind: "preset", preset, arch, flavor: flavor.name });
            if (!kernel || !asset) return [];
            return [
              {
                preset,
                arch,
                vmm,
                flavor: flavor.name,
                kernel_url: kernel.url,
                kernel_sha256: kernel.sha256,
                rootfs_url: asset.url,
                rootfs_sha256: asset.sha256,
                rootfs_size: asset.size,
              },
            ];
          }),
      ),
    ),
  );
  return { schema_version: 1, tag: release.tag, repository: release.repository, kernels, bases, images };
}

/** The content of `out/manifest.schema.json`. */
export const manifestSchema = () => z.toJSONSchema(Manifest);
