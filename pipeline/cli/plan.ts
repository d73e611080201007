import * as actions from "@actions/core";
import { Command } from "commander";
import { readCells } from "../runtime/cells.ts";
import { attestations, isComplete, matrixOf, type PlannedCell, plan } from "../runtime/plan.ts";
import type { Selection } from "../runtime/selection.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { table } from "./table.ts";
import { root } from "./tree.ts";

export const planCommand = new Command("plan")
  .description("say which published cells must be built, and hand them to a workflow's matrices")
  .option("--presets <names>", "these alone, with what they lean on: codex,pi (default: all)")
  .option("--flavors <names>", "on these flavors alone")
  .option("--archs <names>", "for these archs alone")
  .option("--json", "as data")
  .action(async (options: Selection & { json?: true }) => {
    checkActionsFiles();
    const cells = readCells(root());
    const planned = await plan(cells, root(), options);
    if (process.env.GITHUB_OUTPUT) {
      actions.setOutput("complete", isComplete(planned));
      actions.setOutput("attestations", attestations(cells, planned));
      actions.setOutput("kernels", matrixOf(cells, planned, "kernel"));
      actions.setOutput("bases", matrixOf(cells, planned, "base"));
      actions.setOutput("presets", matrixOf(cells, planned, "preset"));
    }
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ tag: cells.tag, cells: planned }, null, 2)}\n`
        : table(["cell", "action", "why"], planned.map(columns)),
    );
    const build = planned.filter((cell) => cell.action === "build").length;
    process.stderr.write(`${planned.length} cells for ${cells.tag}, ${build} to build\n`);
    if (!isComplete(planned)) process.stderr.write("a selection is built and uploaded, and not published\n");
  });

const columns = ({ id, action, why }: PlannedCell) => [id, action, why];
