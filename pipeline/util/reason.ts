import { z } from "zod";
import { errorCode, innermost } from "./error.ts";

/** How many fields are named that are wrong; a reader fixes the first ones first. */
const SHOWN = 3;

/**
 * What was wrong, in a few words on one line: the field of a file and what was expected there, the system's words
 * without the call that failed, or what lies behind `fetch failed`.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return fields(error);
  if (error instanceof SyntaxError) return `it is no JSON: ${error.message}`;
  if (!(error instanceof Error)) return String(error);
  const inner = innermost(error);
  const system =
    errorCode(inner) !== undefined && /^[A-Z0-9_]+: (.+?), [a-z_]+(?: '.*)?$/s.exec(inner.message);
  if (!system) return inner.message;
  return errorCode(inner) === "EISDIR" ? "it is a directory" : system[1]!;
}

/** `kernels[0].size: expected number, received string; 2 more fields are wrong`. */
function fields({ issues }: z.ZodError): string {
  const named = issues.slice(0, SHOWN).map(({ path, message }) => {
    const what = message.replace(/^Invalid input: /, "");
    return path.length > 0 ? `${z.core.toDotPath(path)}: ${what}` : what;
  });
  const more = issues.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
