import { join } from "node:path";
import { MANIFEST_PATH, type Manifest } from "../schema/manifest.ts";
import { PipelineError } from "../util/error.ts";
import { proxiedFetch, USER_AGENT } from "../util/http.ts";
import { placeOf } from "../util/place.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { readText, textOf } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";
import { offeringRoot } from "./bundled.ts";
import { parseManifest } from "./parse-manifest.ts";
import { releaseManifest, tagOverride } from "./release-manifest.ts";

/** How long a server may send nothing while a manifest is downloaded, ms. */
const SILENCE_MS = 20_000;

/** The largest manifest that is read, bytes. One with 48 rows has 40 kB. */
const MOST = 16 << 20;

/**
 * Reads a manifest from a path, or a file: or http(s): address. @default the manifest of the release that
 * SMOLVM_IMAGES_RELEASE_TAG names, or else that of `offeringRoot()`
 * @throws PipelineError if it cannot be read, or is not valid; it names the wrong field
 */
export async function loadManifest(from?: string, signal?: AbortSignal): Promise<Manifest> {
  if (from !== undefined) return await readManifest(from, signal);
  const run = unwatched();
  return await offeredManifest(signal ? { ...run, signal } : run);
}

/**
 * The manifest of the release that SMOLVM_IMAGES_RELEASE_TAG names, or else that of a package or project.
 * @param root the root of the package or project
 */
export async function offeredManifest(run: Run, root = offeringRoot()): Promise<Manifest> {
  const own = await readManifest(join(root, MANIFEST_PATH), run.signal);
  const tag = tagOverride();
  return tag === undefined ? own : await releaseManifest({ repository: own.repository, tag }, run);
}

async function readManifest(source: string, signal: AbortSignal | undefined): Promise<Manifest> {
  let text: string;
  try {
    text = await fetchText(source, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof PipelineError) throw cause;
    throw new PipelineError(`cannot read the manifest ${source} (${reasonOf(cause)})`, {
      ...{ code: "not-fetched", fix: "give another with --manifest", cause },
    });
  }
  return parseManifest(text, source, "give another with --manifest");
}

async function fetchText(source: string, signal: AbortSignal | undefined): Promise<string> {
  const place = placeOf("--manifest", source);
  if (place.kind === "path") return await readText(place.path, MOST);
  const headers = { "user-agent": USER_AGENT };
  const response = await proxiedFetch(SILENCE_MS)(place.url, { headers, ...(signal ? { signal } : {}) });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
  return await textOf(response.body, MOST);
}
