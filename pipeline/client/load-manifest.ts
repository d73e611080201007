import { join } from "node:path";
import { MANIFEST_PATH, type Manifest } from "../schema/manifest.ts";
import { PipelineError } from "../util/error.ts";
import { proxiedFetch, USER_AGENT } from "../util/http.ts";
import { type Place, placeOf } from "../util/place.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { readText, textOf } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";
import { offeringRoot } from "./bundled.ts";
import { parseManifest } from "./parse-manifest.ts";
import type { ProvenanceOptions } from "./provenance.ts";
import { releaseManifest, tagOverride } from "./release-manifest.ts";
import { bundleOf, verifyManifest } from "./verify-manifest.ts";

/** How long a server may send nothing while a manifest is downloaded, ms. */
const SILENCE_MS = 20_000;

/** The largest manifest that is read, bytes. One with 48 rows has 40 kB. */
const MOST = 16 << 20;

const FIX = "give another with --manifest";
const BUNDLE_FIX = `${FIX}, or omit --verify-provenance`;

/**
 * Reads a manifest from a path, or a file: or http(s): address. @default the manifest of the release that
 * SMOLVM_IMAGES_RELEASE_TAG names, or else that of `offeringRoot()`
 * @param options with `verifyProvenance`, the workflow of the repository that `offeringRoot()`'s manifest names must have
 * made it
 * @throws PipelineError if it cannot be read, or is not valid; it names the wrong field; `not-attested` if its origin is
 * verified, and is another one
 */
export async function loadManifest(
  from?: string,
  signal?: AbortSignal,
  options: ProvenanceOptions = {},
): Promise<Manifest> {
  const run = unwatched();
  if (from === undefined) return await offeredManifest(signal ? { ...run, signal } : run, undefined, options);
  const place = placeOf("--manifest", from);
  const text = await readManifest(place, signal);
  if (options.verifyProvenance) {
    const { repository } = await ownManifest(offeringRoot(), signal);
    const bundle = (most: number) => readBundle(bundleOf(place), most, signal);
    await verifyManifest({ text, repository, bundle, fix: BUNDLE_FIX }, options);
  }
  return parseManifest(text, from, FIX);
}

/**
 * The manifest of the release that SMOLVM_IMAGES_RELEASE_TAG names, or else that of a package or project.
 * @param root the root of the package or project
 */
export async function offeredManifest(
  run: Run,
  root = offeringRoot(),
  options: ProvenanceOptions = {},
): Promise<Manifest> {
  const own = await ownManifest(root, run.signal);
  const tag = tagOverride();
  if (tag !== undefined) return await releaseManifest({ repository: own.repository, tag, ...options }, run);
  if (options.verifyProvenance) {
    run.progress.step("the manifest came with this package, and is trusted as the package is");
  }
  return own;
}

/** The manifest that came with a package or project. */
async function ownManifest(root: string, signal: AbortSignal | undefined): Promise<Manifest> {
  const path = join(root, MANIFEST_PATH);
  return parseManifest(await readManifest({ kind: "path", path }, signal), path, FIX);
}

const readManifest = (place: Place, signal: AbortSignal | undefined): Promise<string> =>
  readAt(place, MOST, signal, (why, cause) => {
    const problem = `cannot read the manifest ${shown(place)} (${why})`;
    return new PipelineError(problem, { code: "not-fetched", fix: FIX, cause });
  });

const readBundle = (place: Place, most: number, signal: AbortSignal | undefined): Promise<string> =>
  readAt(place, most, signal, (why, cause) => {
    const problem = `cannot read the attestation of the manifest, ${shown(place)} (${why})`;
    return new PipelineError(problem, { code: "not-attested", fix: BUNDLE_FIX, cause });
  });

const shown = (place: Place): string => (place.kind === "path" ? place.path : place.url);

/** Reads a text of at most `most` bytes. */
async function readAt(
  place: Place,
  most: number,
  signal: AbortSignal | undefined,
  refused: (why: string, cause: unknown) => PipelineError,
): Promise<string> {
  try {
    if (place.kind === "path") return await readText(place.path, most);
    const headers = { "user-agent": USER_AGENT };
    const response = await proxiedFetch(SILENCE_MS)(place.url, { headers, ...(signal ? { signal } : {}) });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
    return await textOf(response.body, most);
  } catch (cause) {
    signal?.throwIfAborted();
    throw refused(reasonOf(cause), cause);
  }
}
