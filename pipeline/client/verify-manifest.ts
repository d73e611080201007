import { createHash } from "node:crypto";
import { MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { Place } from "../util/place.ts";
import type { ProvenanceOptions } from "./provenance.ts";

/** A manifest that is to be verified. */
interface Unverified {
  readonly text: string;
  /** Whose workflow must have made it: `owner/name`. */
  readonly repository: string;
  /** Reads its attestation, of at most `most` bytes. */
  readonly bundle: (most: number) => Promise<string>;
  /** What to do if it is not valid. */
  readonly fix: string;
}

/**
 * Verifies that the workflow of a repository has made a manifest.
 * @throws PipelineError (`not-attested`) that says what is wrong; another one if the trusted root cannot be read
 */
export async function verifyManifest(manifest: Unverified, options: ProvenanceOptions): Promise<void> {
  const { text, repository, bundle, fix } = manifest;
  // Loaded only where it is used, as sigstore's library takes a while to load.
  const { LARGEST_BUNDLE } = await import("../attestation/bundle.ts");
  const { releaseSigner } = await import("../attestation/signer.ts");
  const { trustedRoot } = await import("../attestation/trusted-root.ts");
  const { verifyProvenance } = await import("../attestation/verify.ts");
  const root = await trustedRoot(options.trustedRoot);
  const found = await bundle(LARGEST_BUNDLE);
  // The release workflow attests the manifest alone: an attestation of several files is none of a manifest.
  const sha256 = createHash("sha256").update(text).digest("hex");
  const subject = { name: MANIFEST_ASSET, sha256, alone: true };
  try {
    verifyProvenance(found, subject, releaseSigner(repository), root);
  } catch (cause) {
    if (!(cause instanceof PipelineError)) throw cause;
    throw new PipelineError(cause.problem, { code: cause.code, fix, cause });
  }
}

const ENDING = MANIFEST_BUNDLE_ASSET.slice(MANIFEST_ASSET.length);

/** Where the attestation of a file is: beside it, with another ending. */
export function bundleOf(place: Place): Place {
  if (place.kind === "path") return { kind: "path", path: `${place.path}${ENDING}` };
  const url = new URL(place.url);
  url.pathname += ENDING;
  return { kind: "address", url: url.href };
}
