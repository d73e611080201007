import { type Command, CommanderError } from "commander";
import { PipelineError } from "../schema/error.ts";
import { annotate } from "./progress.ts";

/** Runs a command line: its commands, their errors in one line each, and the exit code for them. */
export async function runProgram(
  program: Command,
  commands: readonly Command[],
  argv: readonly string[],
): Promise<void> {
  program
    .option("--debug", "show the stack trace of an error")
    .showHelpAfterError("(--help lists what there is)")
    // Beside its options and arguments, a description has no room in 80 columns.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride();
  for (const command of commands) {
    program.addCommand(command);
    for (const each of [command, ...command.commands]) {
      each.exitOverride().option("--debug", "show the stack trace of an error");
    }
  }
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
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
