import { resolve } from "node:path";
import { takeArtifacts } from "../../release/artifacts.ts";
import {
  type Expected,
  expectedAssets,
  notAsDeclared,
  publishedAssets,
  unexpectedFiles,
} from "../../release/expected.ts";
import { type Upload, uploadCell } from "../../release/upload.ts";
import { sbomAsset } from "../../schema/names.ts";
import type { StoredRelease } from "../../stores/store.ts";
import type { CliRun } from "../shared/run.ts";
import { emptyDraft } from "./empty-draft.ts";
import { refuse } from "./refuse.ts";
import { summariseRefusal } from "./summary.ts";

const NOTHING: Expected = { facts: [], problems: [] };

/**
 * Takes the artifacts of a run, and uploads all of them to the draft. If one is not as it must be, or one is missing,
 * nothing is uploaded: prints why, and returns nothing.
 */
export async function uploadArtifacts(
  target: Omit<Upload, "release">,
  directory: string,
  { withhold, empty }: { readonly withhold?: string; readonly empty?: true },
  run: CliRun,
): Promise<StoredRelease | undefined> {
  const { cells, store, staged } = target;
  const refused = await takeArtifacts(cells, resolve(directory), staged, run);
  const { facts, problems } = refused.length > 0 ? NOTHING : await expectedAssets(cells, staged);
  const all = [
    ...(withhold ? [`withheld: ${withhold}`] : []),
    ...refused,
    ...problems,
    ...(store.isPublic ? notAsDeclared(cells, facts) : []),
  ];
  if (all.length > 0) {
    run.progress.end();
    await summariseRefusal(cells.tag, all, facts);
    refuse(`${cells.tag} is not published, and nothing was changed`, all);
    return undefined;
  }
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
  for (const cell of cells.cells.filter(({ published }) => published)) {
    await uploadCell({ ...target, release }, cell, run);
  }
  return release;
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
