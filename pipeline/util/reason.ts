import { z } from "zod";
import { errorCode, innermost } from "./error.ts";

/** How many wrong fields a message lists. */
const SHOWN = 3;

/**
 * The reason of an error as a short text on one line: the wrong fields of a file, a system error without the name of the
 * failed call, or the error that caused `fetch failed`.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return fields(error);
  if (error instanceof SyntaxError) return `it is not JSON: ${error.message}`;
  if (!(error instanceof Error)) return String(error);
  const inner = innermost(error);
  const system =
    errorCode(inner) !== undefined && /^[A-Z0-9_]+: (.+?), [a-z_]+(?: '.*)?$/s.exec(inner.message);
  if (!system) return inner.message;
  return errorCode(inner) === "EISDIR" ? "it is a directory" : system[1]!;
}

/** `kernels[0].size: expected number, received string; and 2 more`. */
function fields({ issues }: z.ZodError): string {
  const named = issues.slice(0, SHOWN).map(({ path, message }) => {
    const what = message.replace(/^Invalid input: /, "");
    return path.length > 0 ? `${z.core.toDotPath(path)}: ${what}` : what;
  });
  const more = issues.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
