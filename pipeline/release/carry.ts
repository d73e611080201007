import { verifyProvenance } from "../attestation/verify.ts";
import type { LastRelease } from "../plan/recorded.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import type { Copied, ReleaseStore, Sent, StoredAsset, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import type { Authority } from "./attestations.ts";

/** A release whose assets are copied to another one. */
export interface Source {
  /** What it has recorded of the assets. */
  readonly digests: RecordedDigests;
  readonly store: ReleaseStore;
  /** Whose signature the files must have. */
  readonly authority: Authority;
  /** Gives the attestations of a file, by its sha256, as sigstore bundles (JSON); none of them is verified yet. */
  attestationsOf(sha256: string): Promise<readonly string[]>;
}

/** The files that are copied, once all of them are known to be there, as recorded and attested. */
export interface Carriage {
  /** Copies the files to a draft. Those that it has already stay. @throws PipelineError when the release store fails */
  copyTo(release: StoredRelease): Promise<readonly { readonly name: string; readonly sent: Sent }[]>;
}

/**
 * Checks that a release still has the recorded assets and their inventories, with the recorded digests, and that the
 * workflow has attested them. Nothing is changed.
 * @throws PipelineError that lists everything that is wrong
 */
export async function checkCarried(source: Source, run: Run): Promise<Carriage> {
  const { digests, store } = source;
  const { copies, problems } = await lookAt(source, run);
  if (problems.size > 0) {
    throw new PipelineError(`${digests.tag} on ${store.name} does not have what is carried over from it`, {
      ...{ code: "asset-conflict", fix: "plan again: `npx smolvm-images plan --check-release` builds it" },
      details: [...problems].map(([name, problem]) => `- ${name}: ${problem}`),
    });
  }
  return {
    copyTo: async (release) => {
      const done = [];
      for (const file of copies) {
        run.progress.step(`copy ${file.name} from ${digests.tag} to ${release.tag} on ${store.name}`);
        done.push({ name: file.name, sent: await store.copy(release, file) });
      }
      return done;
    },
  };
}

/** The release as a plan sees it: what is recorded, and what is wrong with its files now. @throws PipelineError as the store */
export async function lookAtRelease(source: Source, run: Run): Promise<LastRelease> {
  const { digests } = source;
  const { problems } = await lookAt(source, run);
  return {
    state: "recorded",
    digests,
    problems: new Map([...problems].map(([name, problem]) => [name, `${name}: ${problem}`])),
  };
}

async function lookAt(source: Source, run: Run) {
  const { digests, store } = source;
  const files = filesOf(digests);
  run.progress.step(`look at ${files.length} files of ${digests.tag} on ${store.name}`);
  const present = await assetsOf(store, digests.tag, files);
  const copies: Copied[] = [];
  const problems = new Map<string, string>();
  for (const file of files) {
    const from = present.get(file.name);
    const problem = from ? await problemOf(source, file, from) : `not on the release ${digests.tag}`;
    if (problem !== undefined) problems.set(file.name, problem);
    else if (from) copies.push({ ...file, from });
  }
  return { copies, problems };
}

type File = Omit<Copied, "from">;

/** The recorded assets, and their inventories; the two formats of a kernel share one. */
function filesOf({ assets }: RecordedDigests): File[] {
  const files = new Map<string, File>();
  for (const [name, { sha256, size, sbom }] of Object.entries(assets)) {
    files.set(name, { name, sha256, size });
    files.set(sbom.asset, { name: sbom.asset, sha256: sbom.sha256, size: sbom.size });
  }
  return [...files.values()];
}

/** The finished assets of a published release, by name; empty if there is no such release. */
async function assetsOf(
  store: ReleaseStore,
  tag: string,
  files: readonly File[],
): Promise<ReadonlyMap<string, StoredAsset>> {
  const release = await store.find(tag);
  if (!release || (store.isPublic && release.state === "draft")) return new Map();
  const names = files.map(({ name }) => name);
  const assets = await store.assets(release, names);
  return new Map(assets.filter(({ complete }) => complete).map((asset) => [asset.name, asset]));
}

async function problemOf(
  { digests, store, authority, attestationsOf }: Source,
  { name, sha256, size }: File,
  from: StoredAsset,
): Promise<string | undefined> {
  if (from.size !== size) return `${from.size} bytes on ${digests.tag}, but ${size} are recorded`;
  // What the store reports is enough here: the bytes are hashed when they are copied.
  if (from.sha256 !== undefined && from.sha256 !== sha256)
    return `sha256 ${from.sha256} on ${digests.tag}, but ${sha256} is recorded`;
  if (!store.isPublic) return undefined;
  const bundles = await attestationsOf(sha256);
  const refusals = bundles.map((bundle) => refusalOf(bundle, { name, sha256 }, authority));
  if (refusals.includes(undefined)) return undefined;
  return refusals[0] ?? "it is not attested";
}

/** Why an attestation is not valid; undefined if it is. */
function refusalOf(
  bundle: string,
  file: { readonly name: string; readonly sha256: string },
  { signer, root }: Authority,
): string | undefined {
  try {
    verifyProvenance(bundle, file, signer, root);
    return undefined;
  } catch (error) {
    if (error instanceof PipelineError) return error.message;
    throw error;
  }
}
