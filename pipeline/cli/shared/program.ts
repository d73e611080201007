import { type Command, CommanderError, type Option } from "commander";
import { errorCode, PipelineError, printable } from "../../util/error.ts";
import type { ErrorCode } from "../../util/error-codes.ts";
import { reasonOf } from "../../util/reason.ts";
import { OutputError } from "./output.ts";
import { annotate } from "./progress.ts";
import { version } from "./version.ts";

/** What all commands of a program have. */
export interface Common {
  readonly options?: readonly Option[];
  /** Told what was given for them, before the command begins. */
  readonly use?: (options: Readonly<Record<string, unknown>>) => void;
}

/** Runs a command line: its commands, their errors in one line each, and the exit code for them. */
export async function runProgram(
  program: Command,
  commands: readonly Command[],
  argv: readonly string[],
  common: Common = {},
): Promise<void> {
  program.version(
    `${program.name()} ${version()}`,
    "-V, --version",
    "print the version, and the release it knows",
  );
  for (const command of commands) program.addCommand(command);
  for (const each of [program, ...commands, ...commands.flatMap((command) => command.commands)]) {
    for (const option of common.options ?? []) each.addOption(option);
    each
      .exitOverride()
      .option("--debug", "show the stack trace of an error")
      // Beside its options and arguments, a description has no room in 80 columns.
      .configureHelp({
        subcommandTerm: (command) => command.name(),
        commandUsage: (command) => usage(command),
      })
      .configureOutput({ outputError: (text) => say(misuse(text, each)) });
  }
  program.hook("preAction", (_, command) => common.use?.(command.optsWithGlobals()));
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** `smolvm-images release prune`: what a user types for a command. */
function typedFor(command: Command): string {
  const names: string[] = [];
  for (let each: Command | null = command; each; each = each.parent) names.unshift(each.name());
  return [...names, ...(names.length === 1 ? ["<command>"] : [])].join(" ");
}

const usage = (command: Command): string =>
  `${typedFor(command)} ${command.parent ? command.usage() : "[options]"}`;

/** Commander's own words, on one line, with what there is. */
function misuse(text: string, command: Command): string {
  const [, said = text, suggestion] = /^error: (.*?)(?:\n\((Did you mean .*\?)\))?\s*$/s.exec(text) ?? [];
  const names = said.startsWith("unknown command")
    ? command.commands.map((each) => each.name())
    : said.startsWith("unknown option")
      ? command.options.map((each) => each.long ?? each.flags)
      : [];
  const guess = suggestion ? ` (${suggestion.replace("Did", "did")})` : "";
  const rest = names.length > 0 ? `one of: ${names.join(", ")}` : `see \`${typedFor(command)} --help\``;
  return `${said.replace(/\.$/, "")}${guess}; ${rest}`;
}

/** Longer values that a user has given are of no help in an error, characters. */
const LONGEST = 2000;

function say(message: string, code?: ErrorCode): void {
  const line = printable(message);
  const short = line.length > LONGEST ? `${line.slice(0, LONGEST / 2)} … ${line.slice(-LONGEST / 2)}` : line;
  process.stderr.write(`error: ${short}\n`);
  if (process.env.GITHUB_ACTIONS) annotate("error", short, process.stderr, code);
}

/** Says an error on stderr and returns the exit code for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof OutputError) return error.exitCode;
  const understood = messageOf(error);
  const known = error instanceof PipelineError ? error : undefined;
  say(understood ?? `unexpected: ${String((error as Error)?.message ?? error)}`, known?.code);
  for (const line of known?.details ?? []) process.stderr.write(`${line}\n`);
  if (process.argv.includes("--debug")) {
    if (known) process.stderr.write(`code: ${known.code} (see docs/errors.md)\n`);
    process.stderr.write(`${(error as Error)?.stack}\n`);
  } else if (understood === undefined) process.stderr.write("(this is a defect; --debug shows where)\n");
  return 2;
}

/** What the system says no to, whatever this project does: it is for the person at the keyboard to change. */
const REFUSALS = new Set([
  ...["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "ENOTDIR", "EISDIR", "ELOOP"],
  ...["ENAMETOOLONG", "EMFILE", "ENFILE", "EBUSY", "ENOMEM"],
]);

/** What an error means to the reader; undefined for a defect of this project. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof PipelineError) return error.message;
  if (!(error instanceof Error)) return undefined;
  if ("statusCode" in error) return `Docker refuses: ${error.message}`;
  const { syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === "uv_cwd") return "the current directory is not there any more: change to another one";
  if (path === undefined || !REFUSALS.has(errorCode(error) ?? "")) return undefined;
  return `cannot ${syscall ?? "use"} ${path}: ${reasonOf(error)}; check this path, its disk and its permissions`;
}
