import { createHash } from "node:crypto";
import { filesOf, Manifest } from "../schema/manifest.ts";
import { assetNameOf, MANIFEST_ASSET } from "../schema/names.ts";
import type { ReleaseStore, StoredAsset } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { reasonOf } from "../util/reason.ts";

export interface VerifyOptions {
  readonly store: ReleaseStore;
  readonly tag: string;
  /** The text of the manifest to compare with, and its path. */
  readonly manifest: { readonly text: string; readonly path: string };
  /** Download and hash every asset, instead of trusting the digests that the release store reports. */
  readonly download: boolean;
}

/** The comparison of a release with a manifest. */
export interface Verification {
  /** How many assets were compared. */
  readonly assets: number;
  /** A line for each difference. */
  readonly problems: readonly string[];
}

/** Compares a release with a manifest. @throws PipelineError when there is nothing to compare, or the release store fails */
export async function verifyRelease(options: VerifyOptions, run: Run): Promise<Verification> {
  const { store, tag, manifest, download } = options;
  const expected = expectedOf(manifest, tag);
  const release = await store.find(tag);
  if (!release) {
    throw new PipelineError(`${store.name} has no release ${tag} that this token may see`, {
      code: "not-offered",
    });
  }
  const present = new Map(
    (await store.assets(release, [...expected.keys()])).map((asset) => [asset.name, asset]),
  );
  const problems = store.isPublic && release.state === "draft" ? [`${tag}: still a draft`] : [];
  let done = 0;
  for (const [name, { sha256, size }] of expected) {
    run.progress.step(`${++done} of ${expected.size}: ${name}`);
    const there = present.get(name);
    if (!there?.complete) {
      problems.push(`${name}: ${there ? "its upload was not finished" : "missing"}`);
      continue;
    }
    if (size !== undefined && there.size !== size) {
      problems.push(`${name}: ${there.size} bytes, but the manifest says ${size}`);
    }
    const actual = await digestOf(store, there, download);
    if (actual !== sha256) problems.push(`${name}: sha256 ${actual}, but the manifest says ${sha256}`);
  }
  return { assets: expected.size, problems };
}

const digestOf = (store: ReleaseStore, asset: StoredAsset, download: boolean) =>
  download ? store.hash(asset) : store.digest(asset);

interface Expectation {
  readonly sha256: string;
  /** Bytes; undefined if the manifest does not say. */
  readonly size: number | undefined;
}

/** The expected hash and size of every file in a manifest and of the manifest itself, by asset name. */
function expectedOf({ text, path }: VerifyOptions["manifest"], tag: string): Map<string, Expectation> {
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
  return new Map<string, Expectation>([
    ...files.map(({ url, sha256 }) => {
      const name = assetNameOf(url);
      return [name, { sha256, size: manifest.assets[name]?.size }] as const;
    }),
    [MANIFEST_ASSET, { sha256: createHash("sha256").update(text).digest("hex"), size: undefined }],
  ]);
}

function parse(text: string, path: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${path} is not a manifest (${reasonOf(cause)})`, {
      ...{ fix: "run `npx smolvm-images synth`", cause },
    });
  }
}
