import { Command, Option } from "commander";
import { type Change, changes, unifiedDiff, write } from "../../synth/project.ts";
import { annotate } from "../shared/progress.ts";
import { root, synthProject } from "./tree.ts";

export const synthCommand = new Command("synth")
  .addOption(
    new Option(
      "--check",
      "write nothing; print the difference and exit 1 if a committed file is stale",
    ).conflicts("stdout"),
  )
  .option("--stdout", "write nothing; print the files as JSON: an object from path to text")
  .action(async (options: { check?: true; stdout?: true }) => {
    const output = await synthProject();
    if (options.stdout) {
      process.stdout.write(`${JSON.stringify(Object.fromEntries(output), null, 2)}\n`);
      return;
    }
    const pending = changes(root(), output);
    if (options.check) {
      if (pending.length > 0) refuse(pending);
      else process.stderr.write(`${output.size} generated files are up to date\n`);
      return;
    }
    write(root(), pending);
    for (const change of pending) process.stderr.write(`${verb(change)} ${change.path}\n`);
    process.stderr.write(`${output.size} generated files, ${pending.length} changed\n`);
  });

const verb = ({ before, after }: Change) =>
  before === undefined ? "wrote  " : after === undefined ? "removed" : "changed";

function refuse(pending: readonly Change[]): void {
  const fix = "run `npx smolvm-images synth` and commit what it changes";
  process.stdout.write(unifiedDiff(pending));
  if (process.env.GITHUB_ACTIONS) {
    for (const { path } of pending)
      annotate("error", `stale: ${fix}`, process.stdout, { file: path, title: "synth --check" });
  }
  process.stderr.write(`${pending.length} generated files are stale: ${fix}\n`);
  process.exitCode = 1;
}
