import type { Signer } from "../attestation/signer.ts";
import type { TrustedRoot } from "../attestation/trusted-root.ts";
import { verifyProvenance } from "../attestation/verify.ts";
import { whyNotRecorded } from "../plan/recorded.ts";
import type { Cell, Cells } from "../schema/cells.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import type { Copied, ReleaseStore, Sent, StoredAsset, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";

export interface CarryOptions {
  readonly cells: Cells;
  /** The cells whose assets are copied. */
  readonly carried: readonly Cell[];
  /** What the earlier release has recorded. */
  readonly digests: RecordedDigests;
  readonly store: ReleaseStore;
  /** Whose signature the files must have. */
  readonly authority: { readonly signer: Signer; readonly root: TrustedRoot };
  /** Gives the attestations of a file, by its sha256, as sigstore bundles (JSON); none of them is verified yet. */
  attestationsOf(sha256: string): Promise<readonly string[]>;
}

/** The files that are copied, once all of them are known to be there, as recorded and attested. */
export interface Carriage {
  /** Copies the files to a draft. Those that it has already stay. @throws PipelineError when the release store fails */
  copyTo(release: StoredRelease): Promise<readonly { readonly name: string; readonly sent: Sent }[]>;
}

/**
 * Checks the assets and inventories of cells in the release that was recorded last: they are made from the tree's inputs,
 * the release has them with the recorded digests, and the workflow has attested them. Nothing is changed.
 * @throws PipelineError that lists everything that is wrong
 */
export async function checkCarried(options: CarryOptions, run: Run): Promise<Carriage> {
  const { cells, carried, digests, store } = options;
  const files = carried.flatMap((cell) => filesOf(cell, digests));
  run.progress.step(`look at ${digests.tag} on ${store.name}, from which ${files.length} files are copied`);
  const present = await assetsOf(store, digests.tag, files);
  const problems = carried.flatMap((cell) => {
    const why = whyNotRecorded(cells, cell, { state: "recorded", digests });
    return why === undefined ? [] : [`${cell.id}: ${why}`];
  });
  const copies: Copied[] = [];
  for (const file of files) {
    const from = present.get(file.name);
    const problem = from ? await problemOf(options, file, from) : `${file.name}: not on ${digests.tag}`;
    if (problem !== undefined) problems.push(problem);
    else if (from) copies.push({ ...file, from });
  }
  if (problems.length > 0) {
    throw new PipelineError(`${digests.tag} on ${store.name} does not have what is carried over from it`, {
      ...{ code: "asset-conflict", fix: "plan again: `npx smolvm-images plan --check-release` builds it" },
      details: problems.map((problem) => `- ${problem}`),
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

type File = Omit<Copied, "from">;

/** The assets of a cell, and their inventories; the two formats of a kernel share one. */
function filesOf({ assets }: Cell, digests: RecordedDigests): File[] {
  const files = new Map<string, File>();
  for (const name of assets) {
    if (!Object.hasOwn(digests.assets, name)) continue;
    const { sha256, size, sbom } = digests.assets[name]!;
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
  { store, authority, attestationsOf }: CarryOptions,
  { name, sha256, size }: File,
  from: StoredAsset,
): Promise<string | undefined> {
  if (from.size !== size) return `${name}: ${from.size} bytes, but ${size} are recorded`;
  // What the store reports is enough here: the bytes are hashed when they are copied.
  if (from.sha256 !== undefined && from.sha256 !== sha256)
    return `${name}: sha256 ${from.sha256}, but ${sha256} is recorded`;
  if (!store.isPublic) return undefined;
  const bundles = await attestationsOf(sha256);
  const refusals = bundles.map((bundle) => refusalOf(bundle, { name, sha256 }, authority));
  if (refusals.includes(undefined)) return undefined;
  return `${name}: ${refusals[0] ?? "it is not attested"}`;
}

/** Why an attestation is not valid; undefined if it is. */
function refusalOf(
  bundle: string,
  file: { readonly name: string; readonly sha256: string },
  { signer, root }: CarryOptions["authority"],
): string | undefined {
  try {
    verifyProvenance(bundle, file, signer, root);
    return undefined;
  } catch (error) {
    if (error instanceof PipelineError) return error.message;
    throw error;
  }
}
