import { Command } from "commander";
import { readCells } from "../../runtime/read-cells.ts";
import type { Cell } from "../../schema/cells.ts";
import { flavorOf, presetOf } from "../../schema/kinds/index.ts";
import { table } from "../shared/table.ts";
import { root } from "./tree.ts";

export const listCommand = new Command("list")
  .option("--json", "print JSON")
  .action((options: { json?: true }) => {
    const { cells } = readCells(root());
    if (options.json) {
      process.stdout.write(`${JSON.stringify(cells.map(row), null, 2)}\n`);
      return;
    }
    process.stdout.write(
      table(
        ["cell", "published as"],
        cells.map((cell) => [cell.id, cell.published ? cell.assets.join(", ") : "- (local)"]),
      ),
    );
    const published = cells.filter((cell) => cell.published).length;
    process.stderr.write(`${cells.length} cells, ${published} of them published\n`);
  });

function row(cell: Cell) {
  return {
    id: cell.id,
    kind: cell.kind,
    arch: cell.arch,
    flavor: flavorOf(cell),
    preset: presetOf(cell),
    assets: cell.assets,
    inputs: cell.inputs,
    published: cell.published,
  };
}
