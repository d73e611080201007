#!/usr/bin/env -S npx tsx
import { Command, CommanderError } from "commander";
import { PipelineError } from "../schema/error.ts";
import { cellCommand } from "./cell.ts";
import { diffCommand } from "./diff.ts";
import { doctorCommand } from "./doctor.ts";
import { listCommand } from "./list.ts";
import { planCommand } from "./plan.ts";
import { annotate } from "./progress.ts";
import { releaseCommand } from "./release.ts";
import { reproCommand } from "./repro.ts";
import { synthCommand } from "./synth.ts";

const program = new Command("pipeline")
  .description("Build the root file systems that SmolVM runs coding agents in")
  .option("--debug", "show the stack trace of an error")
  .showHelpAfterError("(--help lists what there is)")
  .exitOverride();

const commands = [
  ...[synthCommand, diffCommand, listCommand, planCommand],
  ...[cellCommand, releaseCommand, reproCommand, doctorCommand],
];
for (const command of commands) {
  program.addCommand(command);
  for (const each of [command, ...command.commands]) {
    each.exitOverride().option("--debug", "show the stack trace of an error");
  }
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says an error on stderr and returns the exit code for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const known = error instanceof PipelineError;
  if (!known && error instanceof Error && "statusCode" in error) {
    process.stderr.write(`error: Docker refuses: ${error.message}\n`);
    return 2;
  }
  const message = known ? error.message : `unexpected: ${String((error as Error)?.message ?? error)}`;
  process.stderr.write(`error: ${message}\n`);
  if (process.env.GITHUB_ACTIONS) annotate("error", message);
  if (known) for (const line of error.details) process.stderr.write(`${line}\n`);
  if (process.argv.includes("--debug")) process.stderr.write(`${(error as Error)?.stack}\n`);
  else if (!known) process.stderr.write("(this is a defect; --debug shows where)\n");
  return 2;
}
