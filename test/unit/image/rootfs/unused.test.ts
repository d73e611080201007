import { expect, it } from "vitest";
import type { Component } from "../../../../pipeline/image/rootfs/components.ts";
import { plainRecipe, type Recipe } from "../../../../pipeline/image/rootfs/ownership/recipe.ts";
import { unusedDeclarations } from "../../../../pipeline/image/rootfs/unused.ts";

const RECIPE: Recipe = {
  ...plainRecipe("a-cell"),
  copies: [{ path: "/usr/bin/node", type: "generic", name: "node", version: "1.0.0", source: "x" }],
  embeds: [
    { type: "cargo", name: "ripgrep", files: ["/opt/*/rg"], version: { from: "/opt/*/rg", match: "(.)" } },
    { type: "generic", name: "bubblewrap", files: ["/opt/*/bwrap"], version: null },
  ],
  unowned: [{ paths: "/etc/agent/*", reason: "settings" }],
};
const component = (type: Component["type"], name: string, version: string): Component => ({
  ...{ type, name, version, license: [] },
});
const found = (components: readonly Component[], ...declared: string[]) =>
  unusedDeclarations(RECIPE, components, { declared: new Set(declared) });

it("nothing is said where the image has all that is declared; what says no version may have none", () => {
  const all = [
    component("generic", "node", "1.0.0"),
    component("cargo", "ripgrep", "15.2.0"),
    component("generic", "bubblewrap", "unknown"),
  ];
  expect(found(all, "/etc/agent/*")).toEqual([]);
});

it("what the image does not have is said, with its place", () => {
  expect(found([component("generic", "ripgrep", "15.2.0")])).toEqual([
    "the image has no node at /usr/bin/node",
    "embeds: the image has no ripgrep at /opt/*/rg",
    "embeds: the image has no bubblewrap at /opt/*/bwrap",
    "unowned: no file without an owner matches /etc/agent/*",
  ]);
});

it("a version that cannot be read is said", () => {
  expect(found([component("cargo", "ripgrep", "unknown")])).toContain(
    "embeds: the version of ripgrep cannot be read from /opt/*/rg",
  );
});
