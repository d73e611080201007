import { type Command, CommanderError, type Option } from "commander";
import { errorCode, PipelineError, printable } from "../../util/error.ts";
import type { ErrorCode } from "../../util/error-codes.ts";
import { reasonOf } from "../../util/reason.ts";
import { OutputError } from "./output.ts";
import { annotate } from "./progress.ts";
import { version } from "./version.ts";

/** Options that all commands of a program have. */
export interface Common {
  readonly options?: readonly Option[];
  /** Called with their values before the command runs. @default none */
  readonly use?: (options: Readonly<Record<string, unknown>>) => void;
  /** The options whose value may be empty, such as `--presets`. @default none */
  readonly mayBeEmpty?: readonly string[];
}

/** Runs a command line. Prints an error as one line, and sets the exit code. */
export async function runProgram(
  program: Command,
  commands: readonly Command[],
  argv: readonly string[],
  common: Common = {},
): Promise<void> {
  program.version(
    `${program.name()} ${version()}`,
    "-V, --version",
    "print the version, and the tag of its release",
  );
  for (const command of commands) program.addCommand(command);
  for (const each of [program, ...commands, ...commands.flatMap((command) => command.commands)]) {
    for (const option of common.options ?? []) each.addOption(option);
    each
      .exitOverride()
      .option("--debug", "print the code and the stack trace of an error")
      // Without options and arguments, so that descriptions fit into 80 columns.
      .configureHelp({
        subcommandTerm: (command) => command.name(),
        commandUsage: (command) => usage(command),
      })
      .configureOutput({ outputError: (text) => printError(misuse(text, each)) });
  }
  program.hook("preAction", (_, command) => {
    refuseEmpty(command, common.mayBeEmpty);
    common.use?.(command.optsWithGlobals());
  });
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Refuses an option with an empty value, which is mostly a variable of a shell that is not set. */
function refuseEmpty(command: Command, mayBeEmpty: readonly string[] = []): void {
  for (let each: Command | null = command; each; each = each.parent) {
    for (const option of each.options) {
      const isEmpty = each.getOptionValue(option.attributeName()) === "";
      if (!isEmpty || mayBeEmpty.includes(option.long ?? "")) continue;
      command.error(`error: option '${option.flags}' has an empty value`);
    }
  }
}

/** The full name of a command, such as `smolvm-images release prune`. */
function typedFor(command: Command): string {
  const names: string[] = [];
  for (let each: Command | null = command; each; each = each.parent) names.unshift(each.name());
  return [...names, ...(names.length === 1 ? ["<command>"] : [])].join(" ");
}

const usage = (command: Command): string =>
  `${typedFor(command)} ${command.parent ? command.usage() : "[options]"}`;

/** Commander's error message on one line, with the possible values. */
function misuse(text: string, command: Command): string {
  const [, problem = text, suggestion] = /^error: (.*?)(?:\n\((Did you mean .*\?)\))?\s*$/s.exec(text) ?? [];
  const names = problem.startsWith("unknown command")
    ? command.commands.map((each) => each.name())
    : problem.startsWith("unknown option")
      ? command.options.map((each) => each.long ?? each.flags)
      : [];
  const guess = suggestion ? ` (${suggestion.replace("Did", "did")})` : "";
  const rest = names.length > 0 ? `one of: ${names.join(", ")}` : `see \`${typedFor(command)} --help\``;
  return `${problem.replace(/\.$/, "")}${guess}; ${rest}`;
}

/** The longest error line, characters. Longer ones (with a user's long value) are shortened in the middle. */
const LONGEST = 2000;

/** Prints an error line to stderr, and in GitHub Actions an annotation. */
function printError(message: string, code?: ErrorCode): void {
  const line = printable(message);
  const short = line.length > LONGEST ? `${line.slice(0, LONGEST / 2)} … ${line.slice(-LONGEST / 2)}` : line;
  process.stderr.write(`error: ${short}\n`);
  if (process.env.GITHUB_ACTIONS) annotate("error", short, process.stderr, code ? { title: code } : {});
}

/** Prints an error to stderr and returns its exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof OutputError) return error.exitCode;
  const understood = messageOf(error);
  const known = error instanceof PipelineError ? error : undefined;
  printError(understood ?? `unexpected: ${String((error as Error)?.message ?? error)}`, known?.code);
  for (const line of known?.details ?? []) process.stderr.write(`${line}\n`);
  if (process.argv.includes("--debug")) {
    if (known) process.stderr.write(`code: ${known.code} (see docs/errors.md)\n`);
    process.stderr.write(`${(error as Error)?.stack}\n`);
  } else if (understood === undefined)
    process.stderr.write("(this is a defect of this program; --debug shows the stack trace)\n");
  return 2;
}

/** Codes of system errors that the user can fix, and that are not defects of this program. */
const REFUSALS = new Set([
  ...["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "ENOTDIR", "EISDIR", "ELOOP"],
  ...["ENAMETOOLONG", "EMFILE", "ENFILE", "EBUSY", "ENOMEM"],
]);

/** The message of an error for the user; undefined for a defect of this program. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof PipelineError) return error.message;
  if (!(error instanceof Error)) return undefined;
  if ("statusCode" in error) return `Docker refuses the request: ${error.message}`;
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === "uv_cwd") return "the current directory no longer exists: change to another one";
  if (path === undefined || !REFUSALS.has(errorCode(error) ?? "")) return undefined;
  return `cannot ${syscall ?? "use"} ${path}: ${reasonOf(error)}; check this path, its disk and its permissions`;
}
