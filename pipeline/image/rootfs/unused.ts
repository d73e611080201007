import { UNKNOWN_VERSION } from "../../schema/facts.ts";
import type { Component } from "./components.ts";
import type { Accounting } from "./ownership/account.ts";
import type { Recipe } from "./ownership/recipe.ts";

/**
 * What a recipe declares about the content of its image that is not so, one line each: after a new version of a package, a
 * program may be elsewhere, or say its version in another way.
 */
export function unusedDeclarations(
  { copies, embeds, unowned }: Recipe,
  components: readonly Component[],
  { declared }: Pick<Accounting, "declared">,
): string[] {
  const find = ({ type, name }: Pick<Component, "type" | "name">) =>
    components.find((each) => each.type === type && each.name === name);
  return [
    ...copies.filter((each) => !find(each)).map(({ name, path }) => `the image has no ${name} at ${path}`),
    ...embeds.flatMap((each) => {
      const found = find(each);
      if (!found) return [`embeds: the image has no ${each.name} at ${each.files.join(", ")}`];
      if (each.version === null || found.version !== UNKNOWN_VERSION) return [];
      return [`embeds: the version of ${each.name} cannot be read from ${each.version.from}`];
    }),
    ...unowned
      .filter(({ paths }) => !declared.has(paths))
      .map(({ paths }) => `unowned: no file without an owner matches ${paths}`),
  ];
}
