import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";

/** Who may import whom: a part of the pipeline, and the parts that it knows. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  schema: [],
  constructs: ["schema"],
  images: ["constructs", "schema"],
  synth: ["constructs", "schema"],
  edit: ["constructs", "schema", "synth"],
  build: ["schema"],
  vm: ["schema"],
  release: ["schema"],
  runtime: ["schema", "build", "vm", "release"],
  client: ["schema", "vm", "build"],
  cli: ["schema", "constructs", "images", "synth", "edit", "build", "vm", "release", "runtime", "client"],
};

/** The part that a file below `pipeline/` belongs to; `images.ts` and its pins are one, other files none. */
function partOf(path: string): string {
  if (path === "images.ts" || path === "pins.ts") return "images";
  return path.includes("/") ? path.split("/")[0]! : path;
}

/** `from "…"`, `import "…"` and `import("…")`, of types too. */
const IMPORT = /\b(?:from|import)\s*\(?\s*["'](\.[^"']*)["']/g;

/** The imports of a file that the rule forbids. */
function forbidden(path: string, text: string): string[] {
  const part = partOf(path);
  return [...text.matchAll(IMPORT)]
    .map(([, target]) => partOf(posix.join(posix.dirname(path), target!)))
    .filter((other) => other !== part && !MAY_IMPORT[part]?.includes(other))
    .map((other) => `${path} imports ${other}`);
}

const sources = readdirSync(join(REPOSITORY, "pipeline"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path): [string, string] => [path, readFileSync(join(REPOSITORY, "pipeline", path), "utf8")]);

it("every file of the pipeline belongs to a part that the rule knows", () => {
  expect(sources.map(([path]) => partOf(path)).filter((part) => !Object.hasOwn(MAY_IMPORT, part))).toEqual(
    [],
  );
});

it("every part of the pipeline imports only what it may", () => {
  expect(sources.flatMap(([path, text]) => forbidden(path, text))).toEqual([]);
});

it("the rule reads every kind of import", () => {
  const imports = sources.flatMap(([, text]) => [...text.matchAll(IMPORT)]);
  // What TypeScript would have to resolve: each relative path in quotes that ends in .ts.
  const quoted = sources.flatMap(([, text]) => [...text.matchAll(/["']\.\.?\/[^"'\n]*\.ts["']/g)]);
  expect(imports).toHaveLength(quoted.length);
});

it.each([
  ["schema/names.ts", 'import { x } from "../build/image.ts";'],
  ["synth/cells.ts", 'import { x } from "../runtime/cells.ts";'],
  ["runtime/cells.ts", 'import type { App } from "../constructs/app.ts";'],
  ["build/image.ts", 'export * from "../vm/ssh.ts";'],
  ["vm/ssh.ts", 'import "../images.ts";'],
  ["client/pull.ts", 'await import("../release/github.ts");'],
  ["release/github.ts", 'type X = import("../constructs/app.ts").App;'],
  ["cli/list.ts", 'import { REPOSITORY } from "../../test/support/project.ts";'],
])("in %s, `%s` is a violation", (path, text) => {
  expect(forbidden(path, text)).toHaveLength(1);
});

it("what the rule allows is no violation", () => {
  const allowed =
    'import { a } from "../schema/error.ts";\nimport { b } from "./hash.ts";\nimport "node:fs";';
  expect(forbidden("build/image.ts", allowed)).toEqual([]);
});
