import { printable } from "../../util/error.ts";

/** Prints the problems to stdout and the verdict to stderr, and sets exit code 1. */
export function refuse(verdict: string, problems: readonly string[]): void {
  for (const problem of problems) process.stdout.write(`${printable(problem)}\n`);
  process.stderr.write(`${verdict}: ${problems.length} problems\n`);
  process.exitCode = 1;
}
