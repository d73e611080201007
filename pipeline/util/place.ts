import { fileURLToPath } from "node:url";
import { PipelineError } from "./error.ts";

/** Where a file is: a path on this machine, or an http(s) URL. */
export type Place =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "address"; readonly url: string };

/**
 * Parses a user's value that is a path, or a `file:`, `http:` or `https:` address.
 * @param what the option's name for error messages: `--mirror`, `--manifest`
 * @throws PipelineError for any other value
 */
export function placeOf(what: string, given: string): Place {
  const refuse = (why: string) =>
    new PipelineError(`${what} "${given}" ${why}`, {
      fix: "give a path, or a file:, http: or https: address",
    });
  if (given.trim() === "") throw refuse("is empty");
  if (given.includes("\0")) throw refuse("holds a NUL byte");
  // A single letter is a Windows drive, not a scheme.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(given)?.[1]?.toLowerCase();
  if (scheme === "file") {
    try {
      const path = fileURLToPath(given);
      if (given.toLowerCase().startsWith("file:///") && !path.includes("\0")) return { kind: "path", path };
    } catch {}
    throw refuse("is not a file: address (file:///DIRECTORY/FILE)");
  }
  if (scheme === "http" || scheme === "https") {
    const url = URL.canParse(given) && given.toLowerCase().startsWith(`${scheme}://`) && new URL(given);
    if (!url) throw refuse("is not an address");
    if (url.username || url.password) {
      throw new PipelineError(
        `${what} has a user name or password before ${url.host}, which is not supported`,
        { fix: "give the address without them" },
      );
    }
    return { kind: "address", url: url.href };
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(given)) throw refuse(`begins with ${scheme}:, which is not supported`);
  return { kind: "path", path: given };
}
