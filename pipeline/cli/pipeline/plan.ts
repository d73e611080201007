import * as actions from "@actions/core";
import { Command, Option } from "commander";
import { attestations, handedOnBy, isComplete, matrixOf, type PlannedCell, plan } from "../../plan/plan.ts";
import type { LastRelease } from "../../plan/recorded.ts";
import type { Selection } from "../../plan/selection.ts";
import { lookAtRelease } from "../../release/carry.ts";
import { readCells } from "../../runtime/read-cells.ts";
import type { Cells } from "../../schema/cells.ts";
import { kindNamed, PUBLISHED_KINDS } from "../../schema/kinds/index.ts";
import { DIGESTS_PATH } from "../../schema/recorded-digests.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import { PipelineError } from "../../util/error.ts";
import { inRun } from "../shared/run.ts";
import { table } from "../shared/table.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { carrySource, lastDigests } from "./carry-source.ts";
import { openReleases, stagingDirectory } from "./store.ts";
import { root } from "./tree.ts";

interface Flags extends Selection {
  readonly all?: true;
  readonly checkRelease?: true;
  readonly json?: true;
  readonly comment?: true;
}

export const planCommand = new Command("plan")
  .option("--presets <names>", "only these presets and what they depend on, such as codex,pi (default: all)")
  .option("--flavors <names>", "only these flavors, separated by commas")
  .option("--archs <names>", "only these archs, separated by commas")
  .option("--all", "build every selected cell, even if none of its inputs changed")
  .option(
    "--check-release",
    "check that the earlier release on GitHub still has what is carried over, and that it is attested",
  )
  .option("--json", "print JSON")
  .addOption(
    new Option(
      "--comment",
      "in a workflow for a pull request: comment on it what it would publish, and print the comment's address",
    ).conflicts(["presets", "flavors", "archs", "all", "checkRelease", "json"]),
  )
  .action(async (flags: Flags) => {
    checkActionsFiles();
    if (flags.comment) return await (await import("./plan-comment.ts")).commentPlan();
    const cells = readCells(root());
    const last = await lastRelease(cells, flags);
    const staged = new StagingDirectory(stagingDirectory(cells));
    const planned = await plan(cells, staged, { ...flags, last });
    if (process.env.GITHUB_OUTPUT) {
      actions.setOutput("complete", isComplete(planned));
      actions.setOutput("attestations", attestations(cells, planned));
      for (const kind of PUBLISHED_KINDS)
        actions.setOutput(kindNamed(kind).matrix!, matrixOf(cells, planned, kind));
      const bases = handedOnBy(cells, planned, "base");
      actions.setOutput("containers", [...bases.made, ...bases.needed]);
      actions.setOutput("fetched", handedOnBy(cells, planned, "kernel").needed);
    }
    process.stdout.write(
      flags.json
        ? `${JSON.stringify({ tag: cells.tag, cells: planned }, null, 2)}\n`
        : table(["cell", "action", "why"], planned.map(columns)),
    );
    const count = (action: PlannedCell["action"]) => planned.filter((cell) => cell.action === action).length;
    process.stderr.write(
      `${planned.length} cells for ${cells.tag}, ${count("build")} to build, ${count("carry")} to carry over\n`,
    );
    if (!isComplete(planned))
      process.stderr.write("this is a selection of the cells: it can be built, but not published\n");
  });

/** What was recorded when a tag was published last; what cannot be read is a reason to build everything. */
export async function lastRelease(
  cells: Cells,
  { all, checkRelease }: Pick<Flags, "all" | "checkRelease"> = {},
): Promise<LastRelease> {
  if (all) return { state: "none" };
  let digests: Awaited<ReturnType<typeof lastDigests>>;
  try {
    digests = await lastDigests();
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return { state: "unreadable", why: `${DIGESTS_PATH} cannot be read` };
  }
  if (!digests) return { state: "none" };
  if (!checkRelease) return { state: "recorded", digests };
  return await inRun(async (run) => {
    const store = await openReleases(cells, { kind: "github" }, run, true);
    return await lookAtRelease(await carrySource({ cells, store }, digests, run), run);
  });
}

const columns = ({ id, action, why }: PlannedCell) => [id, action, why];
