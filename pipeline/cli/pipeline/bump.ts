import { Command } from "commander";
import { type Bump, bump } from "../../edit/bump.ts";
import { checkClean, headOf } from "../../edit/clean-tree.ts";
import { declareImagesOf } from "../../edit/declared-images.ts";
import { parseSpec, type Spec } from "../../edit/spec.ts";
import { apply } from "../../edit/transaction.ts";
import type { PlannedCell } from "../../plan/plan.ts";
import { checkNewTag, checkUnused } from "../../release/new-tag.ts";
import { readCells } from "../../runtime/read-cells.ts";
import type { Cells } from "../../schema/cells.ts";
import { type Change, filesIn } from "../../synth/project.ts";
import { typecheck } from "../../synth/typecheck.ts";
import { PipelineError, printable } from "../../util/error.ts";
import type { ErrorCode } from "../../util/error-codes.ts";
import { type CliRun, inRun } from "../shared/run.ts";
import { githubToken } from "../shared/token.ts";
import { cellsAfter, planTable, textsOf, willBeBuilt } from "./change.ts";
import { loadGitHub } from "./load-github.ts";
import { pullBody } from "./pull-body.ts";
import { project, root } from "./tree.ts";
import { upstreamOf } from "./upstream.ts";

interface Flags {
  readonly pins?: true;
  readonly preset?: readonly Spec[];
  readonly pr?: true;
}

export const bumpCommand = new Command("bump")
  .argument("[tag]", "the tag of the next release, such as images-v0.0.16")
  .option("--pins", "bring everything that `drift` shows as behind to its newest version")
  .option(
    "--preset <name[@version]>",
    "bring one preset to the newest version of its package, or to this one; can be repeated",
    (text: string, before: readonly Spec[] = []) => [...before, parseSpec(text, "preset")],
  )
  .option("--pr", "open a pull request with the change, and leave this checkout as it is")
  .addHelpText(
    "after",
    "\nExamples: npx smolvm-images bump images-v0.0.16\n          npx smolvm-images bump --preset codex --pr",
  )
  .action(async (tag: string | undefined, flags: Flags) => {
    if (tag === undefined && !flags.pins && flags.preset === undefined) {
      throw new PipelineError("there is nothing to change", { fix: "give a tag, --pins or --preset NAME" });
    }
    await inRun(async (run) => {
      await checkClean(root());
      await typecheck(root(), project().declaration);
      const { release } = await declareImagesOf(project(), filesIn(root()));
      if (tag !== undefined) {
        checkNewTag(tag, release.tag);
        await checkUnusedOnGitHub(tag, run);
      }
      const made = await bump(project(), { tag, pins: flags.pins, presets: flags.preset }, upstreamOf(run));
      run.signal.throwIfAborted();
      for (const line of [...made.suspicious, ...made.unknown]) run.progress.warn(printable(line));
      if (made.pending.length === 0) {
        run.progress.end();
        sayEach(made.notes);
        process.stderr.write("nothing to change\n");
        return;
      }
      const cells = cellsAfter(made.pending);
      const planned = await willBeBuilt(cells);
      if (flags.pr) {
        await openPullRequest(nameOf(tag, flags), made, cells, planned, run);
        return;
      }
      apply(root(), made.pending);
      run.progress.end();
      for (const change of made.pending) process.stderr.write(`${verb(change)} ${change.path}\n`);
      sayEach(made.notes);
      process.stdout.write(planTable(planned));
    });
  });

/** Notes may have text from a registry. */
function sayEach(notes: readonly string[]): void {
  for (const note of notes) process.stderr.write(`${printable(note)}\n`);
}

const verb = ({ before, after }: Change) =>
  before === undefined ? "wrote  " : after === undefined ? "removed" : "changed";

/**
 * Asks GitHub whether there is a release of the tag. Where GitHub cannot be asked, that is said, and the bump goes on: nothing
 * can be published twice, because `release prepare` asks again.
 * @throws PipelineError when there is one, or the token is not valid
 */
async function checkUnusedOnGitHub(tag: string, run: CliRun): Promise<void> {
  const { openGitHubReleases } = await loadGitHub();
  const cells = readCells(root());
  run.progress.step(`ask GitHub whether ${tag} is published`);
  try {
    await checkUnused(tag, openGitHubReleases(cells, run, true));
    if (githubToken() === undefined) {
      run.progress.warn(`without GITHUB_TOKEN, GitHub does not say whether there is a draft of ${tag}`);
    }
  } catch (error) {
    if (!(error instanceof PipelineError) || !NOT_ASKED.has(error.code)) throw error;
    run.progress.warn(`it is not known whether ${tag} is published: ${error.problem}`);
  }
}

/** The errors that leave it open whether a tag is published. Without a token, a private repository is not found. */
const NOT_ASKED = new Set<ErrorCode>([
  ...(["github-unreachable", "github-unavailable", "github-limited", "github-not-found"] as const),
]);

/** The name of the branch, and what the pull request is called. */
function nameOf(tag: string | undefined, { pins, preset = [] }: Flags): { branch: string; title: string } {
  const presets = preset.map(({ name }) => name);
  const parts = [...(tag === undefined ? [] : [tag]), ...presets, ...(pins ? ["pins"] : [])];
  const what = [
    ...(tag === undefined ? [] : [`Release ${tag}`]),
    ...(presets.length > 0 ? [`Bump ${presets.join(", ")}`] : []),
    ...(pins ? ["Refresh the pins"] : []),
  ];
  return { branch: `bump/${parts.join("-")}`, title: what.join("; ") };
}

/** @throws PipelineError when a person must look first, or the checkout is not the newest commit of the branch */
async function openPullRequest(
  { branch, title }: { branch: string; title: string },
  { pending, notes, unknown, suspicious }: Bump,
  cells: Cells,
  planned: readonly PlannedCell[],
  run: CliRun,
): Promise<void> {
  if (suspicious.length > 0) {
    throw new PipelineError(`${suspicious[0]}; no pull request was opened`, {
      code: "pin-changed",
      fix: "find out why before anybody merges it; without --pr the change is made in this checkout",
    });
  }
  const from = await headOf(root());
  if (from === undefined) {
    throw new PipelineError(`${root()} is not a git repository with a commit`, {
      code: "dirty-tree",
      fix: "run it in a clone of the repository",
    });
  }
  const { actionsRun, openGitHub, propose } = await loadGitHub();
  run.progress.step("open a pull request");
  const url = await propose(openGitHub(cells, run), {
    ...{ branch, base: actionsRun().branch, from, title, files: textsOf(pending) },
    body: pullBody([...notes, ...unknown], planTable(planned)),
  });
  run.progress.end();
  sayEach(notes);
  process.stdout.write(url ? `${url}\n` : "");
  if (!url) process.stderr.write("nothing to propose: the branch already has these changes\n");
}
