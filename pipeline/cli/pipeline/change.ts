import { type PlannedCell, plan } from "../../plan/plan.ts";
import { CELLS_PATH, Cells } from "../../schema/cells.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import { type Change, filesIn } from "../../synth/project.ts";
import { PipelineError } from "../../util/error.ts";
import { table } from "../shared/table.ts";
import { lastRelease } from "./plan.ts";
import { stagingDirectory } from "./store.ts";
import { root } from "./tree.ts";

/** The cells of the changed tree. */
export function cellsAfter(pending: readonly Change[]): Cells {
  const text = pending.find(({ path }) => path === CELLS_PATH)?.after ?? filesIn(root())(CELLS_PATH);
  return Cells.parse(JSON.parse(text!));
}

/** What a change makes the workflow build, carry over from the last release or skip, and why. */
export const willBeBuilt = async (cells: Cells): Promise<PlannedCell[]> =>
  await plan(cells, new StagingDirectory(stagingDirectory(cells)), { last: await lastRelease(cells) });

export const planTable = (planned: readonly PlannedCell[]): string =>
  table(
    ["cell", "action", "why"],
    planned.map(({ id, action, why }) => [id, action, why]),
  );

/** The new texts of files, by path. @throws PipelineError when the change removes a file */
export function textsOf(pending: readonly Change[]): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { path, after } of pending) {
    if (after === undefined) {
      throw new PipelineError(`the change removes ${path}, which a pull request of ours cannot`, {
        fix: "run `npx smolvm-images bump` without --pr, and commit it",
      });
    }
    files[path] = after;
  }
  return files;
}
