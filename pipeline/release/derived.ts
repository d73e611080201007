import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, SUMS_ASSET } from "../schema/names.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import { sums } from "../stores/directory/staging.ts";
import type { Outgoing, ReleaseStore, StoredAsset, StoredRelease } from "../stores/store.ts";
import { sha256Of } from "./digests.ts";

/** The files of a release that follow from its assets. */
export interface Derived {
  /** What is recorded of the assets. */
  readonly digests: RecordedDigests;
  /** The text of the manifest. */
  readonly manifest: string;
  /** The attestation of the manifest, as a sigstore bundle. */
  readonly bundle: string | undefined;
}

/**
 * Uploads the manifest, its attestation and SHA256SUMS. On a draft, they replace those of an earlier run. Without an
 * attestation of its own, it keeps that of an earlier run if the manifest is the same.
 */
export async function sendDerived(
  store: ReleaseStore,
  release: StoredRelease,
  { digests, manifest, bundle: given }: Derived,
): Promise<void> {
  const present = await store.assets(release);
  // A directory is checked where it is made, and has no attestation.
  const bundle = store.isPublic ? given : undefined;
  const kept = store.isPublic
    ? await keptBundle(store, release, present, { manifest: sha256Of(manifest), ours: bundle !== undefined })
    : undefined;
  const signed = kept ?? (bundle && sha256Of(bundle));
  const further = {
    [MANIFEST_ASSET]: sha256Of(manifest),
    ...(signed && { [MANIFEST_BUNDLE_ASSET]: signed }),
  };
  const assets = Object.entries(digests.assets).map(([asset, recorded]) => ({ asset, ...recorded }));
  const texts = {
    [MANIFEST_ASSET]: manifest,
    ...(bundle !== undefined && kept === undefined && { [MANIFEST_BUNDLE_ASSET]: bundle }),
    [SUMS_ASSET]: sums(assets, further),
  };
  await sendTexts(store, release, texts, present);
}

/** Uploads texts by name. On a draft, they replace those of an earlier run. @param present the files of the release */
export async function sendTexts(
  store: ReleaseStore,
  release: StoredRelease,
  texts: Readonly<Record<string, string>>,
  present: readonly StoredAsset[],
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "smolvm-publish-"));
  try {
    for (const [name, text] of Object.entries(texts)) {
      const file = await writeOutgoing(directory, name, text);
      const there = present.find((each) => each.name === name);
      if (release.state === "draft" && there?.complete && (await store.digest(there)) !== file.sha256) {
        await store.discard(release, there);
      }
      await store.send(release, file);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * The sha256 of the manifest's attestation on the release, if it stays there: the release is public, or it is of the same
 * manifest and this run has none. One of another manifest is removed from a draft.
 */
async function keptBundle(
  store: ReleaseStore,
  release: StoredRelease,
  present: readonly StoredAsset[],
  { manifest, ours }: { readonly manifest: string; readonly ours: boolean },
): Promise<string | undefined> {
  const bundle = present.find(({ name }) => name === MANIFEST_BUNDLE_ASSET);
  const signed = present.find(({ name, complete }) => name === MANIFEST_ASSET && complete);
  if (!bundle) return undefined;
  if (bundle.complete) {
    if (release.state === "published") return await store.digest(bundle);
    if (!ours && signed && (await store.digest(signed)) === manifest) return await store.digest(bundle);
  }
  if (!ours && release.state === "draft") await store.discard(release, bundle);
  return undefined;
}

async function writeOutgoing(directory: string, name: string, text: string): Promise<Outgoing> {
  const path = join(directory, name);
  await writeFile(path, text);
  return { name, path, size: Buffer.byteLength(text), sha256: sha256Of(text) };
}
