import { resolve } from "node:path";
import { takeArtifacts } from "../../release/artifacts.ts";
import { readAttestations, unattested } from "../../release/attestations.ts";
import { regressed } from "../../release/diff/gate.ts";
import {
  type Expected,
  expectedAssets,
  notAsDeclared,
  publishedAssets,
  unexpectedFiles,
} from "../../release/expected.ts";
import { type Upload, uploadCell } from "../../release/upload.ts";
import type { Cell } from "../../schema/cells.ts";
import { sbomAsset } from "../../schema/names.ts";
import type { StoredRelease } from "../../stores/store.ts";
import type { CliRun } from "../shared/run.ts";
import { thisRun } from "./authority.ts";
import { checkedCarriage, lastDigests, makeArtifacts } from "./carry-source.ts";
import { emptyDraft } from "./empty-draft.ts";
import { refuse } from "./refuse.ts";
import { summariseRefusal } from "./summary.ts";

const NOTHING: Expected = { facts: [], problems: [] };

export interface ArtifactFlags {
  /** The directory of the run's attestations. @default none are verified */
  readonly attestations?: string;
  readonly withhold?: string;
  readonly empty?: true;
  /** Whether assets are carried over from the last release. @default they are not */
  readonly carry?: true;
}

/** A release with all assets, and the attestation of the manifest that belongs to them. */
interface Uploaded {
  readonly release: StoredRelease;
  readonly bundle: string | undefined;
}

/**
 * Takes the artifacts of a run, and uploads all of them to the draft. If one is not as it must be, is missing, or was not
 * attested by this run, nothing is uploaded: prints why, and returns nothing.
 */
export async function uploadArtifacts(
  target: Omit<Upload, "release">,
  directory: string,
  { withhold, empty, attestations, carry }: ArtifactFlags,
  run: CliRun,
): Promise<Uploaded | undefined> {
  const { cells, store, staged } = target;
  const authority = attestations === undefined ? undefined : await thisRun(cells);
  if (carry) await makeArtifacts(resolve(directory));
  const refused = await takeArtifacts(cells, resolve(directory), staged, run);
  const before = store.isPublic ? await lastDigests() : undefined;
  const last = carry ? before : undefined;
  const assets = refused.length > 0 ? NOTHING : await expectedAssets(cells, staged, false, last);
  const { facts, problems, carried } = assets;
  const all: string[] = [
    ...(withhold ? [`withheld: ${withhold}`] : []),
    ...refused,
    ...problems,
    ...(store.isPublic ? [...notAsDeclared(cells, facts), ...regressed(cells, assets, before)] : []),
  ];
  // Attestations are of what is complete: a run in which something failed has none.
  const attested =
    all.length > 0 || attestations === undefined
      ? undefined
      : await readAttestations(cells, resolve(attestations));
  if (attested && authority) {
    run.progress.step("verify the attestations");
    const { problems: strangers } = attested;
    all.push(...(strangers.length > 0 ? strangers : unattested(cells, assets, attested, authority)));
  }
  if (all.length > 0) {
    run.progress.end();
    await summariseRefusal(cells.tag, all, facts);
    refuse(`${cells.tag} is not published, and nothing was changed`, all);
    return undefined;
  }
  const carriage = await checkedCarriage(target, carried, run);
  // A run that failed after it made the release public is completed: what is there, with the same bytes, stays.
  const found = await store.find(cells.tag);
  const release = found?.state === "published" ? found : await store.prepare(cells.tag);
  if (empty && release.state === "draft") await emptyDraft(store, release, run);
  const unknown = await unknownAssets(target, release);
  if (unknown.length > 0) {
    run.progress.end();
    await summariseRefusal(cells.tag, unknown, facts);
    refuse(`${cells.tag} is not published, and nothing was uploaded`, unknown);
    return undefined;
  }
  const isBuilt = ({ assets }: Cell) =>
    !assets.some((asset) => carried && Object.hasOwn(carried.assets, asset));
  for (const cell of cells.cells.filter((cell) => cell.published && isBuilt(cell))) {
    await uploadCell({ ...target, release }, cell, run);
  }
  await carriage?.copyTo(release);
  return { release, bundle: attested?.manifest };
}

/** A line for each file on the release that is not expected there. It would stop the gate, after everything is uploaded. */
async function unknownAssets(
  { cells, store }: Omit<Upload, "release">,
  release: StoredRelease,
): Promise<string[]> {
  if (!store.isPublic) return [];
  const made = publishedAssets(cells).flatMap((asset) => [asset, sbomAsset(asset)]);
  const present = await store.assets(release);
  return unexpectedFiles(
    made,
    present.map(({ name }) => name),
  );
}
