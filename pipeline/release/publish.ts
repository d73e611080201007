import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { REPORT_ASSET } from "../schema/names.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";
import type { Outgoing, ReleaseStore, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { sendDerived, sendTexts } from "./derived.ts";
import { regressed } from "./diff/gate.ts";
import { type Assets, digestsOf, releaseManifest } from "./digests.ts";
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
  /** An earlier release, from which assets are carried over. They must be on the release. @default nothing is carried over */
  readonly last?: RecordedDigests | undefined;
  /** What the last release has recorded, with which the assets are compared. @default nothing is a regression */
  readonly before?: RecordedDigests | undefined;
  /**
   * Gives a text about the release, Markdown, before it becomes public. Called after everything is on the release.
   * @default the text of a draft stays as it is
   */
  readonly describe?: (release: StoredRelease) => Promise<string | undefined>;
  /**
   * Gives the page about the release, HTML, which becomes one of its files. Called after everything else is on the release.
   * @default the release gets none
   */
  readonly report?: (release: StoredRelease, digests: RecordedDigests) => Promise<string | undefined>;
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
  /** The facts of the assets that were built. */
  readonly facts: readonly Facts[];
  /** What an earlier release has recorded of those that were carried over from it. @default none were */
  readonly carried?: RecordedDigests | undefined;
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
 * Then uploads the manifest, SHA256SUMS and the inventories, records the digests, and describes the draft. Running it again completes an
 * interrupted run.
 * @throws PipelineError when the release store fails
 */
export async function publish(options: PublishOptions, run: Run): Promise<Publication> {
  const { cells, staged, store, release } = options;
  run.progress.step(`compare ${release.tag} on ${store.name} with the expected assets`);
  checkPartial(store, options.partial);
  const expected = await expectedAssets(cells, staged, options.partial, options.last);
  const { facts, carried } = expected;
  const digests = digestsOf(cells, expected);
  const undeclared = notAsDeclared(cells, facts);
  const worse = regressed(cells, expected, options.before);
  if (!store.isPublic) for (const line of [...undeclared, ...worse]) run.progress.warn(line);
  const problems = [
    ...(options.withheld ? [`withheld: ${options.withheld}`] : []),
    ...expected.problems,
    ...(store.isPublic ? [...undeclared, ...worse] : []),
    ...(await differences(store, release, cells, expected)),
  ];
  if (problems.length > 0) return { release, problems, facts, carried };

  run.progress.step("upload the inventories, the manifest and SHA256SUMS");
  // All are checked before the first is sent.
  const sboms: Outgoing[] = [];
  for (const each of inventories(facts)) sboms.push(await staged.outgoingSbom(each, run));
  for (const each of sboms) await store.send(release, each);
  const manifest = releaseManifest(cells, expected, options.partial);
  await sendDerived(store, release, { digests, manifest, bundle: options.bundle });
  await options.record(digests);
  const text = release.state === "draft" ? await options.describe?.(release) : undefined;
  if (text !== undefined) await store.describe(release, text);
  await sendReport(options, digests);
  if (!options.final) return { release, problems, facts, carried };
  run.progress.step(`make ${release.tag} public`);
  return { release: await store.publish(release), problems, facts, carried };
}

/** A release that is public already keeps the report that it has. */
async function sendReport(
  { store, release, report }: PublishOptions,
  digests: RecordedDigests,
): Promise<void> {
  if (store.isPublic && release.state !== "draft") return;
  const page = await report?.(release, digests);
  if (page === undefined) return;
  await sendTexts(store, release, { [REPORT_ASSET]: page }, await store.assets(release));
}

/** A line for each asset that is missing from the release or has other bytes, and for each file that is not expected there. */
async function differences(
  store: ReleaseStore,
  release: StoredRelease,
  cells: Cells,
  assets: Assets,
): Promise<string[]> {
  const expected = [...expectedFiles(cells, assets)];
  const names = expected.map(([name]) => name);
  const present = new Map((await store.assets(release, names)).map((asset) => [asset.name, asset]));
  const problems: string[] = [];
  for (const [name, { sha256, how }] of expected) {
    const there = present.get(name);
    if (!there) problems.push(`${name}: not on the release (${how})`);
    else if (!there.complete) problems.push(`${name}: its upload was not finished (${how})`);
    else {
      const digest = await store.digest(there);
      if (digest !== sha256) problems.push(`${name}: sha256 ${digest} on the release, ${sha256} expected`);
    }
  }
  if (!store.isPublic) return problems;
  const made = [...names, ...assets.facts.map(({ sbom }) => sbom.asset)];
  return [...problems, ...unexpectedFiles(made, present.keys())];
}

/**
 * The files that must be on the release by now, with the command that puts each there: the assets, and the inventories of
 * those that are carried over. The inventories of what was built follow.
 */
function expectedFiles({ tag }: Cells, { facts, carried }: Assets) {
  const files = new Map<string, { readonly sha256: string; readonly how: string }>();
  for (const { asset, sha256, id } of facts)
    files.set(asset, { sha256, how: `\`npx smolvm-images cell ${id} --stage upload\`` });
  for (const [name, { sha256, sbom }] of Object.entries(carried?.assets ?? {})) {
    const how = `copied from ${carried?.tag} to ${tag} by \`npx smolvm-images release publish --carry\``;
    files.set(name, { sha256, how });
    files.set(sbom.asset, { sha256: sbom.sha256, how });
  }
  return files;
}

/** One entry per inventory: the two formats of a kernel share one. */
const inventories = (facts: readonly Facts[]) => [
  ...new Map(facts.map((each) => [each.sbom.asset, each] as const)).values(),
];
