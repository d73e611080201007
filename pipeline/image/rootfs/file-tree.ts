import { posix } from "node:path";
import type { Entry } from "./tar-index.ts";

/** How many symlinks Linux follows in one path. */
const MOST_LINKS = 40;

/** Resolves paths in a root file system as the guest's kernel does, through symlinks. */
export class FileTree {
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(entries: Iterable<Entry>) {
    this.#entries = new Map([...entries].map((entry) => [entry.path, entry]));
  }

  /** The entry at `path` (with or without a leading `/`), after following every symlink; undefined if there is none. */
  resolve(path: string): Entry | undefined {
    let left = path.split("/").filter((part) => part && part !== ".");
    let at = "";
    for (let links = 0; left.length > 0; ) {
      const [part, ...rest] = left;
      const next = part === ".." ? posix.dirname(at).replace(/^\.$/, "") : posix.join(at, part!);
      const entry = this.#entries.get(next);
      if (next !== "" && !entry) return undefined;
      if (entry?.type !== "symlink") {
        [at, left] = [next, rest];
        continue;
      }
      if (++links > MOST_LINKS) return undefined;
      const target = entry.target!;
      left = [...target.split("/").filter((each) => each && each !== "."), ...rest];
      if (target.startsWith("/")) at = "";
    }
    return this.#entries.get(at);
  }
}
