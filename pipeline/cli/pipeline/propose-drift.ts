import { checkFresh } from "../../edit/bump.ts";
import { checkClean, headOf } from "../../edit/clean-tree.ts";
import { declareImagesOf } from "../../edit/declared-images.ts";
import { type NewVersion, withNewLock } from "../../edit/new-lock.ts";
import { readCells } from "../../runtime/read-cells.ts";
import type { Proposal } from "../../stores/github/propose.ts";
import { filesIn } from "../../synth/project.ts";
import { PipelineError } from "../../util/error.ts";
import { inRun } from "../shared/run.ts";
import { cellsAfter, planTable, textsOf, willBeBuilt } from "./change.ts";
import { issueBody, needsAttention } from "./drift-issue.ts";
import { loadGitHub } from "./load-github.ts";
import { pullBody } from "./pull-body.ts";
import { readReport } from "./report-file.ts";
import { project, root } from "./tree.ts";

/** In the messages of our commits: a branch whose newest commit lacks it is not overwritten. */
const COMMIT_MARK = "Proposed-by: smolvm-images drift";
const REMARK = "A workflow opened it, so GitHub starts its checks only after a maintainer approves them.";
/** How the issue is found again. */
const ISSUE = {
  label: "drift",
  mark: "<!-- smolvm-images drift -->",
  title: "Pins that are behind",
} as const;

/**
 * Opens or updates a pull request for each lockfile of a report, and one issue with the rest of its rows. Everything is
 * checked before anything is written on GitHub.
 * @throws PipelineError when the report holds anything else than newer versions of the project's presets
 */
export async function proposeDrift(path: string): Promise<void> {
  const { rows, locks } = await readReport(path);
  await checkClean(root());
  const from = await headOf(root());
  if (from === undefined) {
    throw new PipelineError(`${root()} is not a git repository with a commit`, {
      ...{ code: "dirty-tree", fix: "run it in a clone of the repository" },
    });
  }
  await inRun(async (run) => {
    run.progress.step("check the report");
    checkFresh(root(), await declareImagesOf(project(), filesIn(root())));
    const proposals: (Proposal & { readonly preset: string })[] = [];
    for (const lock of locks) {
      const made = await withNewLock(project(), lock);
      run.signal.throwIfAborted();
      proposals.push({ preset: made.preset, ...(await proposalOf(made)), from });
    }
    const { actionsRun, openGitHub, keepIssue, propose } = await loadGitHub();
    const github = openGitHub(readCells(root()), run);
    const base = actionsRun().branch;
    const proposed = new Set<string>();
    const addresses: string[] = [];
    for (const { preset, ...proposal } of proposals) {
      run.progress.step(`propose ${proposal.title}`);
      try {
        const url = await propose(github, { ...proposal, base });
        if (url) addresses.push(url);
        proposed.add(preset);
      } catch (error) {
        // A person's own work on the branch is no reason to leave out the others.
        if (!(error instanceof PipelineError) || error.code !== "not-ours") throw error;
        run.progress.warn(`${preset}: ${error.message}`);
      }
    }
    run.progress.step("update the issue");
    const rest = rows.filter((row) => needsAttention(row) && !(row.kind === "npm" && proposed.has(row.name)));
    const url = await keepIssue(github, { ...ISSUE, body: issueBody(rest), open: rest.length > 0 });
    run.progress.end();
    process.stdout.write([...addresses, ...(url ? [url] : [])].map((line) => `${line}\n`).join(""));
  });
}

async function proposalOf({ preset, version, pending, notes }: NewVersion): Promise<Proposal> {
  const planned = await willBeBuilt(cellsAfter(pending));
  return {
    branch: `bump/${preset}`,
    title: `Bump ${preset} to ${version}`,
    body: pullBody(notes, planTable(planned), REMARK),
    mark: COMMIT_MARK,
    files: textsOf(pending),
  };
}
