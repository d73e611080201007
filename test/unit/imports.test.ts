import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";

/** Who may import whom: a part of the pipeline, and the parts that it knows. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  util: [],
  schema: ["util"],
  constructs: ["schema", "util"],
  plan: ["schema", "util"],
  image: ["schema", "util"],
  vm: ["schema", "util"],
  stores: ["schema", "util"],
  attestation: ["schema", "util"],
  images: ["constructs"],
  synth: ["constructs", "schema", "util"],
  upstream: ["constructs", "schema", "util"],
  edit: ["upstream", "synth", "constructs", "schema", "util"],
  client: ["attestation", "vm", "schema", "util"],
  builder: ["image", "client", "vm", "schema", "util"],
  release: ["plan", "stores", "attestation", "schema", "util"],
  runtime: ["plan", "image", "vm", "stores", "schema", "util"],
  "cli/shared": ["vm", "schema", "util"],
  "cli/smolvm": ["cli/shared", "client", "builder", "attestation", "vm", "schema", "util"],
  "cli/pipeline": [
    ...[
      "cli/shared",
      "edit",
      "upstream",
      "synth",
      "constructs",
      "images",
      "plan",
      "image",
      "vm",
      "stores",
      "runtime",
      "release",
      "attestation",
    ],
    ...["client", "builder", "schema", "util"],
  ],
};

/** The part that a file below `pipeline/` belongs to; `images.ts` and what it lists elsewhere are one, other files none. */
function partOf(path: string): string {
  if (["images.ts", "embeds.ts", "pins.ts"].includes(path)) return "images";
  const [first = "", second] = path.split("/");
  return first === "cli" ? `cli/${second}` : path.includes("/") ? first : path;
}

/** `from "…"`, `import "…"`, `import("…")` and `moduleUrl("…")`, of types too. */
const IMPORT = /\b(?:from|import|moduleUrl)\s*\(?\s*["'](\.[^"']*)["']/g;

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
  ["util/hash.ts", 'import { x } from "../schema/names.ts";'],
  ["schema/names.ts", 'import { x } from "../image/kernel.ts";'],
  ["synth/cells.ts", 'import { x } from "../runtime/cells.ts";'],
  ["plan/selection.ts", 'import { x } from "../stores/store.ts";'],
  ["runtime/cells.ts", 'import type { App } from "../constructs/app.ts";'],
  ["image/kernel.ts", 'export * from "../vm/ssh.ts";'],
  ["vm/ssh.ts", 'import "../images.ts";'],
  ["attestation/verify.ts", 'import { x } from "../stores/store.ts";'],
  ["client/pull.ts", 'await import("../stores/github/client.ts");'],
  ["stores/github/client.ts", 'type X = import("../../constructs/app.ts").App;'],
  ["cli/smolvm/main.ts", 'import { x } from "../pipeline/tree.ts";'],
  ["cli/pipeline/list.ts", 'import { REPOSITORY } from "../../../test/support/project.ts";'],
])("in %s, `%s` is a violation", (path, text) => {
  expect(forbidden(path, text)).toHaveLength(1);
});

it("what the rule allows is no violation", () => {
  const allowed =
    'import { a } from "../../util/error.ts";\nimport { b } from "./elf.ts";\nimport "node:fs";';
  expect(forbidden("image/rootfs/audit.ts", allowed)).toEqual([]);
});
