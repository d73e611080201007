import type { ErrorCode } from "./error-codes.ts";

export interface ErrorOptions {
  /** @default "invalid-input" */
  readonly code?: ErrorCode | undefined;
  /** What to do about it. @default none: the message says it, or nothing can be done */
  readonly fix?: string | undefined;
  readonly details?: readonly string[] | undefined;
  readonly cause?: unknown;
}

/**
 * An error that the user can act on: one line that says what, where and what to do. The command line prints it as
 * `error: …` and exits with 2. Any other thrown error is a defect of this project. Programs compare `code`, never the
 * text.
 */
export class PipelineError extends Error {
  /** The name of this class, as for every error. */
  override readonly name: string = "PipelineError";
  /** The kind of error: see ERROR_CODES. */
  readonly code: ErrorCode;
  /** What is wrong, and where: `message` without the fix. */
  readonly problem: string;
  /** What to do about it; undefined if `problem` says it, or nothing can be done. */
  readonly fix: string | undefined;
  /** Further lines, printed below the message: the last lines of a console, a list of errors. */
  readonly details: readonly string[];

  /** `message` becomes `problem: fix`, on one line. */
  constructor(problem: string, { code = "invalid-input", fix, details = [], cause }: ErrorOptions = {}) {
    super(printable(fix === undefined ? problem : `${problem}: ${fix}`), { cause });
    this.code = code;
    this.problem = printable(problem);
    this.fix = fix === undefined ? undefined : printable(fix);
    this.details = details;
  }
}

/** The same error with the place where it happened in front: `codex-amd64-debian: no space left …`. */
export const within = (where: string, error: PipelineError): PipelineError =>
  new PipelineError(`${where}: ${error.problem}`, {
    ...{ code: error.code, fix: error.fix, details: error.details, cause: error },
  });

/** Escapes control characters (a line break becomes `\n`), so that text from a user or a server stays on one line. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e]/gu, (each) => {
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[each];
    return short ?? `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });

/** The error `unknown preset "x"; one of: codex, pi` for an unknown name, with the names that exist. */
export function unknownName(kind: string, name: string, known: Iterable<string>): PipelineError {
  return new PipelineError(`unknown ${kind} "${name}"; one of: ${[...known].join(", ")}`, {
    code: "unknown-name",
  });
}

/** The root cause: the last error in the chain of `cause`. */
export function innermost(error: Error): Error {
  return error.cause instanceof Error ? innermost(error.cause) : error;
}

/** The system's code of an error (`ENOENT`, `ENOSPC`, …); undefined if it has none. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof PipelineError || !(error instanceof Error)) return undefined;
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether an error is a file system error. (Node starts the message of such an error with its code.) */
export function isFileError(error: unknown): error is Error & { readonly code: string } {
  const code = errorCode(error);
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) && (error as Error).message.startsWith(`${code}: `);
}
