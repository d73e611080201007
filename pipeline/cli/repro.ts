import { Command } from "commander";
import { readCells, selectCells } from "../runtime/cells.ts";
import { type Reproduction, reproduceKernel } from "../runtime/repro.ts";
import { PipelineError } from "../schema/error.ts";
import { root } from "./tree.ts";
import { type BuildFlags, inWorkshop, toOptions, withBuildOptions } from "./workshop.ts";

export const reproCommand = withBuildOptions(
  new Command("repro")
    .description("build kernels twice, the second time from nothing, and compare the bytes")
    .argument("<id...>", "cells, as `npm run list` shows them: kernel-amd64"),
).action(async (ids: string[], flags: BuildFlags) => {
  const cells = readCells(root());
  const kernels = selectCells(cells, ids).map((cell) => {
    if (cell.kind === "kernel") return cell;
    throw new PipelineError(`${cell.id}: only kernels are built twice by this command`);
  });
  const done: Reproduction[] = [];
  await inWorkshop(cells, toOptions(flags), async (workshop, progress) => {
    for (const cell of kernels) done.push(await reproduceKernel(workshop, cell));
    progress.end();
  });
  for (const each of done) report(each);
  process.stdout.write(`${JSON.stringify(done, null, 2)}\n`);
  if (done.some(({ same }) => !same)) process.exitCode = 1;
});

function report({ id, same, files }: Reproduction): void {
  process.stderr.write(`${id}: ${same ? "the same bytes twice" : "two builds differ"}\n`);
  for (const [name, [first, second]] of Object.entries(files)) {
    process.stderr.write(`  ${name} ${first === second ? first : `${first} and then ${second}`}\n`);
  }
}
