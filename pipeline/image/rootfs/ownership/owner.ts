import type { Accounted } from "../../../schema/facts.ts";
import type { Entry } from "../tar-index.ts";

/** How a file came into an image. */
export type Origin = Exclude<keyof Accounted, "unowned">;

/** To whom a file of an image belongs. */
export interface Owner {
  readonly origin: Origin;
  /** The package or program (`bash`, `@openai/codex`), or what the recipe or a script made (`codex-amd64-debian`). */
  readonly name: string;
}

/** Finds the owner of a file or symlink; undefined if this source of ownership does not know it. */
export type OwnerOf = (entry: Entry) => Owner | undefined;

/** An owner source for files that are listed by path. */
export const listed =
  (origin: Origin, names: ReadonlyMap<string, string>): OwnerOf =>
  ({ path }) => {
    const name = names.get(path);
    return name === undefined ? undefined : { origin, name };
  };

/** Sets the owner of a path, if it has none: the first list that names a path owns it. */
export function claim(names: Map<string, string>, path: string, name: string): void {
  if (!names.has(path)) names.set(path, name);
}
