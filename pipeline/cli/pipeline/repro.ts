import { Command } from "commander";
import { selectCells } from "../../plan/cells.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { type Reproduction, reproduce } from "../../runtime/reproduce.ts";
import { root } from "./tree.ts";
import { type BuildFlags, inWorkshop, toOptions, withBuildOptions } from "./workshop.ts";

export const reproCommand = withBuildOptions(
  new Command("repro").argument(
    "<id...>",
    "ids of cells, from `npx smolvm-images list`, such as codex-amd64-debian",
  ),
).action(async (ids: string[], flags: BuildFlags) => {
  const cells = readCells(root());
  const selected = selectCells(cells, ids);
  const done: Reproduction[] = [];
  await inWorkshop(cells, selected, toOptions(cells, flags, selected), async (workshop, progress) => {
    for (const cell of selected) done.push(await reproduce(workshop, cell));
    progress.end();
  });
  for (const each of done) report(each);
  process.stdout.write(`${JSON.stringify(done, null, 2)}\n`);
  if (done.some(({ same }) => !same)) process.exitCode = 1;
});

/** How many differences are shown on stderr. stdout has all of them. */
const SHOWN = 10;

function report({ id, same, files, differences, diffoscope }: Reproduction): void {
  process.stderr.write(`${id}: ${same ? "both builds have the same bytes" : "the two builds differ"}\n`);
  for (const [name, [first, second]] of Object.entries(files)) {
    process.stderr.write(
      `  ${name} ${first === second ? first : `${first} in the first build, ${second} in the second`}\n`,
    );
  }
  for (const each of differences.slice(0, SHOWN)) process.stderr.write(`  - ${each}\n`);
  if (differences.length > SHOWN) process.stderr.write(`  - and ${differences.length - SHOWN} more\n`);
  if (diffoscope) process.stderr.write(diffoscope);
}
