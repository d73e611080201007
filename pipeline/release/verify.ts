import { createHash } from "node:crypto";
import { filesOf, Manifest } from "../schema/manifest.ts";
import {
  assetNameOf,
  MANIFEST_ASSET,
  MANIFEST_BUNDLE_ASSET,
  REPORT_ASSET,
  SUMS_ASSET,
} from "../schema/names.ts";
import { sums } from "../stores/directory/staging.ts";
import type { ReleaseStore, StoredAsset } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { reasonOf } from "../util/reason.ts";
import { checkImmutable, type ImmutabilityOptions } from "./immutable.ts";

export interface VerifyOptions extends ImmutabilityOptions {
  readonly store: ReleaseStore;
  readonly tag: string;
  /** The text of the manifest to compare with, and its path. */
  readonly manifest: { readonly text: string; readonly path: string };
  /** Download and hash every asset, instead of trusting the digests that the release store reports. */
  readonly download: boolean;
}

/** The comparison of a release with a manifest. */
export interface Verification {
  /** How many files were compared. */
  readonly files: number;
  /** A line for each difference. */
  readonly problems: readonly string[];
  /** A line for each thing that is not as it should be, or could not be verified, and is no difference. */
  readonly warnings: readonly string[];
}

/** Compares a release with a manifest. @throws PipelineError when there is nothing to compare, or the release store fails */
export async function verifyRelease(options: VerifyOptions, run: Run): Promise<Verification> {
  const { store, tag, manifest, download } = options;
  const needed = expectedOf(manifest, tag, store.isPublic);
  const release = await store.find(tag);
  if (!release) {
    throw new PipelineError(`${store.name} has no release ${tag} that this token may see`, {
      code: "not-offered",
    });
  }
  const present = new Map(
    (await store.assets(release, [...needed.keys()])).map((asset) => [asset.name, asset]),
  );
  const bundle = store.isPublic ? present.get(MANIFEST_BUNDLE_ASSET) : undefined;
  const signed = bundle?.complete ? await digestOf(store, bundle, download) : undefined;
  const expected = expectedOf(manifest, tag, store.isPublic, signed);
  const problems = store.isPublic && release.state === "draft" ? [`${tag}: still a draft`] : [];
  const actual = new Map<string, string>();
  let done = 0;
  for (const [name, { sha256, size }] of expected) {
    run.progress.step(`${++done} of ${expected.size}: ${name}`);
    const there = present.get(name);
    if (!there?.complete) {
      problems.push(`${name}: ${there ? "its upload was not finished" : "missing"}`);
      continue;
    }
    if (size !== undefined && there.size !== size) {
      problems.push(`${name}: ${there.size} bytes, but ${size} are recorded`);
    }
    const found = await digestOf(store, there, download);
    actual.set(name, found);
    if (found !== sha256) problems.push(`${name}: sha256 ${found}, but ${sha256} is recorded`);
  }
  if (!store.isPublic) return { files: expected.size, problems, warnings: [] };
  for (const [name, asset] of present) {
    if (expected.has(name)) continue;
    // It is a page for readers, made from what is verified here.
    const isReport = name === REPORT_ASSET && asset.complete;
    if (asset.complete) actual.set(name, await digestOf(store, asset, download));
    if (!isReport) problems.push(`${name}: on the release, but not recorded as published`);
  }
  if (release.state === "draft") return { files: expected.size, problems, warnings: [] };
  if (release.immutable) run.progress.step(`what GitHub has attested of ${tag}`);
  const immutable = await checkImmutable(store, release, actual, options);
  return {
    files: expected.size,
    problems: [...problems, ...immutable.problems],
    warnings: immutable.warnings,
  };
}

const digestOf = (store: ReleaseStore, asset: StoredAsset, download: boolean) =>
  download ? store.hash(asset) : store.digest(asset);

interface Expectation {
  readonly sha256: string;
  /** Bytes; undefined if the manifest does not say. */
  readonly size: number | undefined;
}

/**
 * The expected hash and size of every file of a release, by name: the assets and inventories in the manifest, the manifest
 * itself, and SHA256SUMS, which follows from them.
 * @param bundle the sha256 of the manifest's attestation, which is signed and not recorded. @default there is none
 */
function expectedOf(
  { text, path }: VerifyOptions["manifest"],
  tag: string,
  isPublic: boolean,
  bundle?: string,
): Map<string, Expectation> {
  const manifest = parse(text, path);
  if (manifest.tag !== tag) {
    throw new PipelineError(`${path} is for ${manifest.tag}, not for ${tag}`, {
      fix: `give the tag ${manifest.tag}, or check out the commit of ${tag}`,
    });
  }
  const files = filesOf(manifest);
  if (files.length === 0) {
    throw new PipelineError(`${path} has no rows: nothing is recorded as published at ${tag} yet`, {
      code: "not-offered",
    });
  }
  const assets = Object.entries(manifest.assets).map(([asset, recorded]) => ({ asset, ...recorded }));
  const known = hashOf(text);
  const attested = bundle === undefined ? {} : { [MANIFEST_BUNDLE_ASSET]: bundle };
  return new Map<string, Expectation>([
    ...files.map(({ url, sha256 }) => {
      const name = assetNameOf(url);
      return [name, { sha256, size: manifest.assets[name]?.size }] as const;
    }),
    ...assets.map(({ sbom: { asset, sha256, size } }) => [asset, { sha256, size }] as const),
    [MANIFEST_ASSET, { sha256: known, size: undefined }],
    ...Object.entries(attested).map(([name, sha256]) => [name, { sha256, size: undefined }] as const),
    // A directory may hold more than the manifest has rows for, such as a preset without its kernel.
    ...(isPublic
      ? [
          [
            SUMS_ASSET,
            { sha256: hashOf(sums(assets, { [MANIFEST_ASSET]: known, ...attested })), size: undefined },
          ] as const,
        ]
      : []),
  ]);
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

function parse(text: string, path: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${path} is not a manifest (${reasonOf(cause)})`, {
      ...{ fix: "run `npx smolvm-images synth`", cause },
    });
  }
}
