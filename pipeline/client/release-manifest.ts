import { filesOf, type Manifest } from "../schema/manifest.ts";
import {
  assetNameOf,
  assetUrl,
  MANIFEST_ASSET,
  MANIFEST_BUNDLE_ASSET,
  SUMS_ASSET,
  TAG,
} from "../schema/names.ts";
import { downloadBytes } from "../util/download/bytes.ts";
import type { Patience } from "../util/download/patience.ts";
import { SourceError } from "../util/download/source.ts";
import { type ErrorOptions, PipelineError } from "../util/error.ts";
import { SHA256 } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";
import { ImageError } from "./image-error.ts";
import { parseManifest } from "./parse-manifest.ts";
import type { ProvenanceOptions } from "./provenance.ts";
import { verifyManifest } from "./verify-manifest.ts";

const VARIABLE = "SMOLVM_IMAGES_RELEASE_TAG";
const FIX = `set ${VARIABLE} to the tag of a published release with a ${MANIFEST_ASSET}, or unset it`;
const BUNDLE_FIX = `set ${VARIABLE} to the tag of a release with a valid ${MANIFEST_BUNDLE_ASSET}, or omit --verify-provenance`;

/** The largest file that is read, bytes. */
const MOST = 16 << 20;

/** The tag that overrides the declared one, from the environment; undefined if none is set. @throws PipelineError if it is not a tag */
export function tagOverride(): string | undefined {
  const tag = process.env[VARIABLE];
  if (!tag) return undefined;
  if (TAG.test(tag)) return tag;
  throw new PipelineError(`${VARIABLE} "${tag}" is not a valid tag`, {
    fix: 'use letters, digits, ".", "_" and "-", such as images-v0.0.15, or unset it',
  });
}

/** A release on GitHub. */
interface ReleaseSource extends ProvenanceOptions {
  readonly repository: string;
  readonly tag: string;
  /** The address of a file of the release. @default its address on GitHub */
  readonly addressOf?: (name: string) => string;
  readonly patience?: Partial<Patience>;
}

/** What a file of a release must be. */
interface Expected {
  readonly sha256?: string;
  /** The largest size, bytes. */
  readonly most?: number;
  /** The error's code and what to do, if it is not. */
  readonly otherwise?: Pick<ErrorOptions, "code" | "fix">;
}

/**
 * Downloads the manifest of a release, with the release's SHA256SUMS.
 *
 * What is verified: GitHub's certificate (HTTPS); the manifest's sha256 against the release's SHA256SUMS, so that it is
 * whole; that it is the manifest of this tag and repository; and that its rows name only files of this release. The images
 * are then verified against it. Who made the release is verified only with `verifyProvenance`: without it, this manifest
 * is whatever the release has.
 * @throws ImageError (`download`) if there is no such release, or it has no manifest, or one of these checks fails
 * (`not-attested`: it was not made by the repository's workflow)
 */
export async function releaseManifest(source: ReleaseSource, run: Run): Promise<Manifest> {
  const { repository, tag, addressOf = (name) => assetUrl(repository, tag, name), patience } = source;
  const where = `the release ${tag} of ${repository}`;
  const fetchText = async (name: string, { sha256, most = MOST, otherwise }: Expected = {}) => {
    const url = addressOf(name);
    const from = { kind: "address", url } as const;
    try {
      return (await downloadBytes({ from, sha256, most, patience }, run)).toString("utf8");
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof SourceError)) throw error;
      const { code, problem } = error;
      throw refused(`${where} has no usable ${name} (${url}: ${problem})`, {
        code,
        cause: error,
        ...otherwise,
      });
    }
  };
  run.progress.step(`fetch the manifest of ${tag}`);
  const sha256 = sumOf(MANIFEST_ASSET, await fetchText(SUMS_ASSET));
  if (sha256 === undefined) throw refused(`${where} has no ${MANIFEST_ASSET} in its ${SUMS_ASSET}`);
  const text = await fetchText(MANIFEST_ASSET, { sha256 });
  if (source.verifyProvenance) {
    const bundle = (most: number) =>
      fetchText(MANIFEST_BUNDLE_ASSET, { most, otherwise: { code: "not-attested", fix: BUNDLE_FIX } });
    try {
      await verifyManifest({ text, repository, bundle, fix: BUNDLE_FIX }, source);
    } catch (error) {
      throw error instanceof PipelineError ? new ImageError("download", error) : error;
    }
  }
  let manifest: Manifest;
  try {
    manifest = parseManifest(text, `${MANIFEST_ASSET} of ${where}`, FIX);
  } catch (error) {
    throw new ImageError("download", error);
  }
  if (manifest.tag !== tag || manifest.repository !== repository) {
    throw refused(`${MANIFEST_ASSET} of ${where} is that of ${manifest.tag} of ${manifest.repository}`);
  }
  const foreign = filesOf(manifest).find(({ url }) => url !== assetUrl(repository, tag, assetNameOf(url)));
  if (foreign) throw refused(`${MANIFEST_ASSET} of ${where} names a file of another place: ${foreign.url}`);
  return manifest;
}

/** The sha256 of a file in the text of SHA256SUMS; undefined if it is not listed. */
function sumOf(name: string, sums: string): string | undefined {
  for (const line of sums.split("\n")) {
    const [sha256 = "", file] = line.split("  ");
    if (file === name && SHA256.test(sha256)) return sha256;
  }
  return undefined;
}

const refused = (problem: string, options: ConstructorParameters<typeof PipelineError>[1] = {}) =>
  new ImageError("download", new PipelineError(problem, { code: "not-fetched", fix: FIX, ...options }));
