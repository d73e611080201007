import { z } from "zod";
import { MadeFrom } from "./cells.ts";
import { Sha256 } from "./digest.ts";
import { Accel, type Facts, ProvenOn, provenOf } from "./facts.ts";
import { FramesPlace } from "./frames-place.ts";
import { loginMsOf } from "./kinds/index.ts";

const Size = z.int().positive();

/** How long the asset took to boot. */
const RecordedBoot = z.strictObject({
  ms: z.int().nonnegative().describe("from the start of QEMU to a finished SSH login, milliseconds"),
  accel: Accel.describe("times are comparable only with the same accelerator"),
});

/** What is recorded of an asset. All of it comes from the asset's facts. */
export const RecordedAsset = z.strictObject({
  sha256: Sha256.describe("sha256 of the bytes on the wire, lower-case hex"),
  size: Size.describe("length on the wire, bytes"),
  image_sha256: Sha256.describe("sha256 of the unpacked file; that of the asset if it is not compressed"),
  image_size: Size.describe("length of the unpacked file, bytes; it has holes where it is empty"),
  content_size: Size.describe("total size of the files in the image, bytes; not for kernels").optional(),
  frames: FramesPlace.describe(
    "the table of the file's zstd frames, from which a client fetches those that it does not have; not for kernels",
  ).optional(),
  sbom: z
    .strictObject({ asset: z.string(), sha256: Sha256, size: Size })
    .describe("the inventory of what is inside, a file of the same release"),
  proven: z.array(ProvenOn).describe("what it was booted on before it was published").optional(),
  boot: RecordedBoot.describe("how long it took to boot; for a kernel, with the slowest base").optional(),
  /** The inputs hash of its cell; with overrides, a hash over it and them. */
  inputs: Sha256,
  /** What was not as declared, and accepted; no field if nothing was, or if an earlier version recorded it. */
  overrides: z.array(z.string()).optional(),
  made_from: MadeFrom.describe(
    "the inputs of its cell by name: versions, and first digits of hashes",
  ).optional(),
  from: z
    .string()
    .describe("the tag that it was built for, if it was carried over from that release")
    .optional(),
});
export type RecordedAsset = z.infer<typeof RecordedAsset>;

/**
 * `images.lock.json`: the digests that were recorded when a tag was published, by asset name. Synth makes the manifest's
 * rows from them. If they belong to another tag than the declared one, the manifest has no rows.
 */
export const RecordedDigests = z.strictObject({
  /** Version 1 had no sizes and digests of unpacked images. */
  schema_version: z.literal(2),
  tag: z.string(),
  assets: z.record(z.string(), RecordedAsset),
});
export type RecordedDigests = z.infer<typeof RecordedDigests>;
export const DIGESTS_PATH = "images.lock.json";

/** What is recorded of the asset that facts describe. @param madeFrom the inputs of its cell by name. @default not recorded */
export function recordedAsset(facts: Facts, madeFrom?: MadeFrom): RecordedAsset {
  const { sha256, size, image_sha256, image_size, inputs, overrides } = facts;
  const { asset, sha256: sbomSha256, size: sbomSize } = facts.sbom;
  return {
    ...{ sha256, size, image_sha256, image_size },
    ...("content_size" in facts ? { content_size: facts.content_size } : {}),
    ...("frames" in facts && facts.frames ? { frames: facts.frames } : {}),
    sbom: { asset, sha256: sbomSha256, size: sbomSize },
    proven: provenOf(facts),
    ...bootOf(facts),
    inputs,
    ...(overrides.length > 0 ? { overrides } : {}),
    ...(madeFrom ? { made_from: madeFrom } : {}),
  };
}

/** The boot of an asset; no field if it had no login, or its logins had different accelerators. */
function bootOf(facts: Facts): Pick<RecordedAsset, "boot"> {
  const ms = loginMsOf(facts);
  const [accel, ...others] = new Set([facts.boot].flat().map((boot) => boot.accel));
  return ms === undefined || accel === undefined || others.length > 0 ? {} : { boot: { ms, accel } };
}
