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
  build: ["schema"],
  vm: ["schema"],
  release: ["schema"],
  runtime: ["schema", "build", "vm", "release"],
  client: ["schema", "vm", "build"],
  cli: ["schema", "constructs", "images", "synth", "build", "vm", "release", "runtime", "client"],
};

/** The part that a file below `pipeline/` belongs to; `images.ts` and its pins are one. */
const partOf = (path: string) => (path.includes("/") ? path.split("/")[0]! : "images");

/** The imports of a file that the rule forbids. */
function forbidden(path: string, text: string): string[] {
  const part = partOf(path);
  return [...text.matchAll(/\bfrom "(\.[^"]+)"/g)]
    .map(([, target]) => posix.join(posix.dirname(path), target!))
    .map(partOf)
    .filter((other) => other !== part && !MAY_IMPORT[part]?.includes(other))
    .map((other) => `${path} imports ${other}`);
}

const sources = readdirSync(join(REPOSITORY, "pipeline"), { recursive: true, encoding: "utf8" }).filter(
  (path) => path.endsWith(".ts"),
);

it("every part of the pipeline imports only what it may", () => {
  const text = (path: string) => readFileSync(join(REPOSITORY, "pipeline", path), "utf8");
  expect(sources.length).toBeGreaterThan(40);
  expect(sources.flatMap((path) => forbidden(path, text(path)))).toEqual([]);
});

it.each([
  ["schema/names.ts", "../build/hash.ts"],
  ["runtime/cells.ts", "../constructs/app.ts"],
  ["build/image.ts", "../vm/ssh.ts"],
  ["vm/ssh.ts", "../images.ts"],
])("%s may not import %s", (path, target) => {
  expect(forbidden(path, `import { x } from "${target}";`)).toHaveLength(1);
});
