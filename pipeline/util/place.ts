import { fileURLToPath } from "node:url";
import { PipelineError } from "./error.ts";

/** Where something is: a path on this machine, or an http(s) address. */
export type Place =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "address"; readonly url: string };

/**
 * Reads what a person has given as a place: a path, or a `file:`, `http:` or `https:` address. `what` is named in the
 * error: `--mirror`, `--manifest`.
 * @throws PipelineError at anything else
 */
export function placeOf(what: string, given: string): Place {
  const refuse = (why: string) =>
    new PipelineError(`${what} "${given}" ${why}: give a path, or a file:, http: or https: address`);
  if (given.trim() === "") throw refuse("is empty");
  if (given.includes("\0")) throw refuse("holds a NUL byte");
  // One letter is a drive of Windows, and no scheme.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(given)?.[1]?.toLowerCase();
  if (scheme === "file") {
    try {
      const path = fileURLToPath(given);
      if (given.toLowerCase().startsWith("file:///") && !path.includes("\0")) return { kind: "path", path };
    } catch {}
    throw refuse("is no file: address (file:///DIRECTORY/FILE)");
  }
  if (scheme === "http" || scheme === "https") {
    const url = URL.canParse(given) && given.toLowerCase().startsWith(`${scheme}://`) && new URL(given);
    if (!url) throw refuse("is no address");
    if (url.username || url.password) {
      throw new PipelineError(
        `${what} has a user name or password before ${url.host}, which is not supported: give the address without them`,
      );
    }
    return { kind: "address", url: url.href };
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(given)) throw refuse(`begins with ${scheme}:, which is not supported`);
  return { kind: "path", path: given };
}
