import { context } from "@actions/github";
import { z } from "zod";
import { plan } from "../../plan/plan.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { CELLS_PATH, Cells } from "../../schema/cells.ts";
import { TAG } from "../../schema/names.ts";
import type { KeptComment } from "../../stores/github/pull.ts";
import { ATTRIBUTES_PATH, generatedPaths } from "../../synth/gitattributes.ts";
import { filesIn } from "../../synth/project.ts";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import { inRun } from "../shared/run.ts";
import { loadGitHub } from "./load-github.ts";
import { lastRelease } from "./plan.ts";
import { changesSomething, type Proposed, pullComment, unreadableComment } from "./pull-comment.ts";
import { root } from "./tree.ts";

/** How the comment is found again. */
const MARK = "<!-- smolvm-images plan -->";
/** The maximum size of a file with cells, bytes. */
const MOST = 4 << 20;
const COMMIT = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const Pull = z.object({ number: z.int().positive(), base: COMMIT, head: COMMIT });

/**
 * Comments on the pull request of this run what it would publish. Nothing of the pull request is run: its cells are read through
 * GitHub's API, as data that anybody may have written.
 * @throws PipelineError outside of a run for a pull request
 */
export async function commentPlan(): Promise<void> {
  const pull = Pull.safeParse(context.payload.pull_request);
  if (!pull.success) {
    throw new PipelineError("--comment is for a workflow that runs for a pull request", {
      fix: "use the generated workflow pull-request-comment, or `npx smolvm-images plan`",
    });
  }
  const { number, base, head } = pull.data;
  await inRun(async (run) => {
    const { openGitHub, keepComment, pullChange, textAt } = await loadGitHub();
    const github = openGitHub(readCells(root()), run, true);
    run.progress.step(`read pull request ${number}`);
    const { from, files } = await pullChange(github, { base: base.sha, head: head.sha });
    const cellsAt = async (commit: string) =>
      cellsIn(await textAt(github, commit, { path: CELLS_PATH, most: MOST }));
    const comment = await commentOf(cellsAt, [from, head.sha], files);
    const url = await keepComment(github, number, { mark: MARK, ...comment });
    run.progress.end();
    if (url !== undefined) process.stdout.write(`${url}\n`);
  });
}

async function commentOf(
  cellsAt: (commit: string) => Promise<Cells>,
  [from, to]: readonly [string, string],
  files: readonly string[],
): Promise<Omit<KeptComment, "mark">> {
  let cells: readonly [Cells, Cells];
  try {
    cells = [await cellsAt(from), await cellsAt(to)];
  } catch (error) {
    // GitHub's errors are those of this run.
    if (error instanceof PipelineError) throw error;
    return { body: unreadableComment(reasonOf(error)), create: true };
  }
  const proposed: Proposed = {
    ...{ before: cells[0], after: cells[1] },
    planned: await plan(cells[1], { facts: async () => undefined }, { last: await lastRelease(cells[1]) }),
    generated: generatedAmong(files, cells[1]),
  };
  return { body: pullComment(proposed), create: changesSomething(proposed) };
}

/** @throws Error for a text that is not `out/cells.json`, or whose ids or tag are none */
function cellsIn(text: string | undefined): Cells {
  if (text === undefined) throw new Error("it is missing");
  const cells = Cells.parse(JSON.parse(text));
  // They become part of the comment's text.
  if (!TAG.test(cells.tag)) throw new Error("the tag is not valid");
  if (cells.cells.some(({ id }) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id)))
    throw new Error("the id of a cell is not valid");
  return cells;
}

/** Those of files that synth writes, by what it has written on the base branch and the Dockerfiles of the change. */
function generatedAmong(files: readonly string[], { cells, tools }: Cells): string[] {
  const known = new Set(generatedPaths(filesIn(root())(ATTRIBUTES_PATH) ?? ""));
  for (const { dockerfile } of cells) known.add(dockerfile);
  known.delete(tools.dockerfile);
  return files.filter((path) => known.has(path));
}
