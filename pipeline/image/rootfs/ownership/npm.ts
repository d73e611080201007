import { posix } from "node:path";
import type { FileTree } from "../file-tree.ts";
import type { NpmPackage } from "../npm-packages.ts";
import type { Entry } from "../tar-index.ts";
import type { Owner, OwnerOf } from "./owner.ts";

/** The links to programs that npm makes: `opt/codex/node_modules/.bin/codex`. */
const PROGRAM_LINK = /^(.*\/)?node_modules\/\.bin\/[^/]+$/;

/**
 * The files in the directories of npm packages. A file belongs to the innermost package around it, whatever the files of
 * packages say. A link in `.bin` belongs to the package of the program that it leads to.
 */
export function npmOwners(packages: readonly NpmPackage[], tree: FileTree): OwnerOf {
  const byDirectory = new Map(packages.map(({ directory, name }) => [directory, name]));
  const around = (path: string): Owner | undefined => {
    for (let at = posix.dirname(path); at !== "."; at = posix.dirname(at)) {
      const name = byDirectory.get(at);
      if (name !== undefined) return { origin: "npm", name };
    }
    return undefined;
  };
  return (entry: Entry) => {
    const inside = around(entry.path);
    if (inside || entry.type !== "symlink") return inside;
    const [, above] = PROGRAM_LINK.exec(entry.path) ?? [];
    const program = above === undefined ? undefined : tree.resolve(entry.path);
    return program?.path.startsWith(`${above}node_modules/`) ? around(program.path) : undefined;
  };
}
