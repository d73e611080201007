import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";
import type { Outgoing, ReleaseStore, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { sendDerived } from "./derived.ts";
import { digestsOf, releaseManifest } from "./digests.ts";
import { expectedAssets, notAsDeclared, unexpectedFiles } from "./expected.ts";

export interface PublishOptions {
  readonly cells: Cells;
  /** The staging directory with the facts of the assets to publish. */
  readonly staged: StagingDirectory;
  readonly store: ReleaseStore;
  readonly release: StoredRelease;
  /** Writes the recorded digests into the repository. Called after everything is on the release. */
  readonly record: (digests: RecordedDigests) => Promise<void>;
  /** Publish what is staged, even if it is incomplete. Only for a directory. @default false */
  readonly partial?: boolean;
  /** A reason not to publish, whatever is staged. @default none */
  readonly withheld?: string | undefined;
  /** The attestation of the manifest: a sigstore bundle that was verified. @default none */
  readonly bundle?: string | undefined;
  /** Make the release public, instead of leaving a draft for a maintainer. */
  readonly final: boolean;
}

export interface Publication {
  /** The release as it is afterwards. */
  readonly release: StoredRelease;
  /** Why nothing was published, a line for each reason; empty if it was published. */
  readonly problems: readonly string[];
  readonly facts: readonly Facts[];
}

/** @throws PipelineError when a part is to be published in a public release store, before anything is looked up there */
export function checkPartial(store: ReleaseStore, partial = false): void {
  if (!partial || !store.isPublic) return;
  throw new PipelineError("--partial is only for directories, because a public release must be complete", {
    fix: "use --store dir:PATH",
  });
}

/**
 * The gate. Checks that every expected asset is on the release with the expected digest, and changes nothing otherwise.
 * Then uploads the manifest, SHA256SUMS and the inventories, and records the digests. Running it again completes an
 * interrupted run.
 * @throws PipelineError when the release store fails
 */
export async function publish(options: PublishOptions, run: Run): Promise<Publication> {
  const { cells, staged, store, release } = options;
  run.progress.step(`compare ${release.tag} on ${store.name} with the expected assets`);
  checkPartial(store, options.partial);
  const expected = await expectedAssets(cells, staged, options.partial);
  const { facts } = expected;
  const undeclared = notAsDeclared(cells, facts);
  if (!store.isPublic) for (const line of undeclared) run.progress.warn(line);
  const problems = [
    ...(options.withheld ? [`withheld: ${options.withheld}`] : []),
    ...expected.problems,
    ...(store.isPublic ? undeclared : []),
    ...(await differences(store, release, facts)),
  ];
  if (problems.length > 0) return { release, problems, facts };

  const digests = digestsOf(cells, facts);
  run.progress.step("upload the inventories, the manifest and SHA256SUMS");
  // All are checked before the first is sent.
  const sboms: Outgoing[] = [];
  for (const each of inventories(facts)) sboms.push(await staged.outgoingSbom(each, run));
  for (const each of sboms) await store.send(release, each);
  const manifest = releaseManifest(cells, facts, options.partial);
  await sendDerived(store, release, { facts, manifest, bundle: options.bundle });
  await options.record(digests);
  if (!options.final) return { release, problems, facts };
  run.progress.step(`make ${release.tag} public`);
  return { release: await store.publish(release), problems, facts };
}

/** A line for each asset that is missing from the release or has other bytes, and for each file that is not expected there. */
async function differences(
  store: ReleaseStore,
  release: StoredRelease,
  facts: readonly Facts[],
): Promise<string[]> {
  const names = facts.map(({ asset }) => asset);
  const present = new Map((await store.assets(release, names)).map((asset) => [asset.name, asset]));
  const problems: string[] = [];
  for (const { asset: name, sha256, id } of facts) {
    const there = present.get(name);
    const upload = `\`npx smolvm-images cell ${id} --stage upload\``;
    if (!there) problems.push(`${name}: not on the release (${upload})`);
    else if (!there.complete) problems.push(`${name}: its upload was not finished (${upload})`);
    else {
      const digest = await store.digest(there);
      if (digest !== sha256) problems.push(`${name}: sha256 ${digest} on the release, ${sha256} expected`);
    }
  }
  if (!store.isPublic) return problems;
  const made = [...names, ...facts.map(({ sbom }) => sbom.asset)];
  return [...problems, ...unexpectedFiles(made, present.keys())];
}

/** One entry per inventory: the two formats of a kernel share one. */
const inventories = (facts: readonly Facts[]) => [
  ...new Map(facts.map((each) => [each.sbom.asset, each] as const)).values(),
];
