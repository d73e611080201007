import { join } from "node:path";
import { LARGEST_BUNDLE } from "../attestation/bundle.ts";
import type { Signer } from "../attestation/signer.ts";
import type { TrustedRoot } from "../attestation/trusted-root.ts";
import { verifyProvenance } from "../attestation/verify.ts";
import type { Cells } from "../schema/cells.ts";
import { MANIFEST_ASSET } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { readText } from "../util/read-text.ts";
import { artifactsIn, strangersIn } from "./artifact.ts";
import { type Assets, releaseManifest, sha256Of } from "./digests.ts";

/** The directory of an artifact with an attestation is named so: of a cell by its id, of the manifest by its own name. */
const PREFIX = "attestation-";
const ALL = `${PREFIX}*`;
const OF_MANIFEST = "manifest";
/** The name that actions/attest gives to a bundle. */
const BUNDLE = "attestation.json";

/** Who must have signed what is published, and whose signatures are believed. */
export interface Authority {
  readonly signer: Signer;
  readonly root: TrustedRoot;
}

/** The attestations of a run, as sigstore bundles (JSON). Each may be missing, and none of them is verified yet. */
export interface Attestations {
  /** By the id of the cell. */
  readonly cells: ReadonlyMap<string, string>;
  readonly manifest: string | undefined;
  /** A line for each artifact that may not be there. */
  readonly problems: readonly string[];
}

/**
 * Reads the attestations that a run has left in `directory` (`attestation-<id>/` and `attestation-manifest/`).
 * @throws PipelineError when the directory cannot be read
 */
export async function readAttestations(cells: Cells, directory: string): Promise<Attestations> {
  const published = new Set(cells.cells.flatMap((cell) => (cell.published ? [cell.id] : [])));
  const bundles = new Map<string, string>();
  const problems: string[] = [];
  // The manifest of a complete release is always attested. If its attestation is the only one, no cell was built.
  const single = (files: readonly string[]) => (files.includes(BUNDLE) ? OF_MANIFEST : undefined);
  for (const { name, path } of await artifactsIn(directory, PREFIX, single)) {
    const of = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : "";
    if (!published.has(of) && of !== OF_MANIFEST) {
      problems.push(`${name}: it is not the attestation of a published cell`);
      continue;
    }
    const most = (file: string) => (file === BUNDLE ? LARGEST_BUNDLE : undefined);
    const found = await strangersIn(path, { artifacts: ALL, of: "an attestation", most });
    problems.push(...found.map((problem) => `${name}: ${problem}`));
    const text = found.length > 0 ? undefined : await bundleIn(join(path, BUNDLE));
    if (text !== undefined) bundles.set(of, text);
  }
  const manifest = bundles.get(OF_MANIFEST);
  bundles.delete(OF_MANIFEST);
  return { cells: bundles, manifest, problems };
}

const bundleIn = (path: string): Promise<string | undefined> =>
  readText(path, LARGEST_BUNDLE).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

/**
 * Verifies the attestation of every file that is about to be published: assets, their inventories, and the manifest that
 * follows from them. A line for each one that is missing or does not hold. Those that are carried over were attested by
 * another run: `checkCarried` verifies them.
 */
export function unattested(
  cells: Cells,
  assets: Assets,
  attestations: Attestations,
  { signer, root }: Authority,
): string[] {
  const files = new Map(
    assets.facts.flatMap(({ id, asset, sha256, sbom }) => [
      [asset, { sha256, of: id, bundle: attestations.cells.get(id) }],
      [sbom.asset, { sha256: sbom.sha256, of: id, bundle: attestations.cells.get(id) }],
    ]),
  );
  const manifest = { sha256: sha256Of(releaseManifest(cells, assets)), of: OF_MANIFEST };
  files.set(MANIFEST_ASSET, { ...manifest, bundle: attestations.manifest });
  return [...files].flatMap(([name, { sha256, of, bundle }]) => {
    if (bundle === undefined) return [`${name}: not attested (${PREFIX}${of}/${BUNDLE} is missing)`];
    try {
      verifyProvenance(bundle, { name, sha256, alone: of === OF_MANIFEST }, signer, root);
      return [];
    } catch (error) {
      if (error instanceof PipelineError) return [`${name}: ${error.message}`];
      throw error;
    }
  });
}
