import { resolve } from "node:path";
import { takeArtifacts } from "../../release/artifacts.ts";
import { type Expected, expectedAssets, notAsDeclared } from "../../release/expected.ts";
import { type Upload, uploadCell } from "../../release/upload.ts";
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
  const release = await store.prepare(cells.tag);
  if (empty) await emptyDraft(store, release, run);
  for (const cell of cells.cells.filter(({ published }) => published)) {
    await uploadCell({ ...target, release }, cell, run);
  }
  return release;
}
