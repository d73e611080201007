import { createHash } from "node:crypto";
import type { Asset } from "../../pipeline/schema/manifest.ts";
import { sbomAsset } from "../../pipeline/schema/names.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** What a manifest has of an asset. @param image the unpacked file @default the asset itself */
export const assetOf = (name: string, wire: Buffer, image = wire): Asset => ({
  ...{ sha256: sha256(wire), size: wire.length, image_sha256: sha256(image), image_size: image.length },
  sbom: { asset: sbomAsset(name), sha256: sha256(Buffer.from(sbomAsset(name))), size: 1 },
});
