/**
 * An error the person at the keyboard can act on: one line that says what, where and what to do.
 * The command line prints it as `error: …` and exits 2; anything else that is thrown is a defect of
 * this project.
 */
export class PipelineError extends Error {
  override readonly name: string = "PipelineError";
  /** Further lines for the reader: the console's end, the list of errors. Printed below the one line. */
  readonly details: readonly string[];

  constructor(message: string, options: { details?: readonly string[]; cause?: unknown } = {}) {
    super(printable(message), { cause: options.cause });
    this.details = options.details ?? [];
  }
}

/** Text on one line, whatever a user or a server has put into it: control characters are escaped, as in `\\n`. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e]/gu, (each) => {
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[each];
    return short ?? `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });

/** `unknown preset "x"; one of: codex, pi`: an unknown name, with the names that exist. */
export function unknownName(kind: string, name: string, known: Iterable<string>): PipelineError {
  return new PipelineError(`unknown ${kind} "${name}"; one of: ${[...known].join(", ")}`);
}

/** What was wrong in the end: the last of a chain of causes. */
export function innermost(error: Error): Error {
  return error.cause instanceof Error ? innermost(error.cause) : error;
}

/** The system's code of an error (`ENOENT`, `ENOSPC`, …), where it has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What the system says of a call that failed: `permission denied`; undefined for any other error. */
export function systemReason(error: unknown): string | undefined {
  if (errorCode(error) === undefined) return undefined;
  return /^E[A-Z0-9]+: ([^,]+)/.exec((error as Error).message)?.[1];
}
