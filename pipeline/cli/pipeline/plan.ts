import * as actions from "@actions/core";
import { Command } from "commander";
import { attestations, isComplete, matrixOf, type PlannedCell, plan } from "../../plan/plan.ts";
import type { Selection } from "../../plan/selection.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { KIND_NAMES, kindNamed } from "../../schema/kinds/index.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import { table } from "../shared/table.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { stagingDirectory } from "./store.ts";
import { root } from "./tree.ts";

export const planCommand = new Command("plan")
  .option("--presets <names>", "only these presets and what they depend on, such as codex,pi (default: all)")
  .option("--flavors <names>", "only these flavors, separated by commas")
  .option("--archs <names>", "only these archs, separated by commas")
  .option("--json", "print JSON")
  .action(async (options: Selection & { json?: true }) => {
    checkActionsFiles();
    const cells = readCells(root());
    const planned = await plan(cells, new StagingDirectory(stagingDirectory(cells)), options);
    if (process.env.GITHUB_OUTPUT) {
      actions.setOutput("complete", isComplete(planned));
      actions.setOutput("attestations", attestations(cells, planned));
      for (const kind of KIND_NAMES)
        actions.setOutput(kindNamed(kind).matrix, matrixOf(cells, planned, kind));
    }
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ tag: cells.tag, cells: planned }, null, 2)}\n`
        : table(["cell", "action", "why"], planned.map(columns)),
    );
    const build = planned.filter((cell) => cell.action === "build").length;
    process.stderr.write(`${planned.length} cells for ${cells.tag}, ${build} to build\n`);
    if (!isComplete(planned))
      process.stderr.write("this is a selection of the cells: it can be built, but not published\n");
  });

const columns = ({ id, action, why }: PlannedCell) => [id, action, why];
