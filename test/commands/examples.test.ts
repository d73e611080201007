import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { command, REPOSITORY } from "../support/project.ts";

/** The examples in docstrings, which the API reference shows: each by the symbol that it belongs to. */
function examplesIn(path: string): { symbol: string; code: string }[] {
  const text = readFileSync(join(REPOSITORY, path), "utf8");
  return [...text.matchAll(/^\/\*\*\n(?: \*.*\n)+? \*\/\nexport (?:abstract )?\w+ (\w+)/gm)].flatMap(
    ([doc, symbol = ""]) =>
      [...doc.matchAll(/^ \* ```ts\n([\s\S]*?)^ \* ```$/gm)].map(([, code = ""]) => ({
        symbol,
        code: code.replaceAll(/^ \* ?/gm, ""),
      })),
  );
}

const sources = ["constructs", "builder"].flatMap((room) =>
  readdirSync(join(REPOSITORY, "pipeline", room), { recursive: true })
    .filter((name) => String(name).endsWith(".ts"))
    .map((name) => `pipeline/${room}/${name}`),
);
const examples = sources.flatMap(examplesIn);

it("each construct has an example", () => {
  const constructs = sources.flatMap((path) =>
    [
      ...readFileSync(join(REPOSITORY, path), "utf8").matchAll(/^export class (\w+) extends Construct\b/gm),
    ].map(([, name]) => name),
  );
  expect(constructs.length).toBeGreaterThan(3);
  expect(examples.map(({ symbol }) => symbol)).toEqual(expect.arrayContaining(constructs));
});

it("the examples of the API reference compile", async () => {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-examples-"));
  try {
    const pipeline = (path: string) => JSON.stringify(join(REPOSITORY, "pipeline", path));
    const functions = examples.map(({ code }, at) => `export async function example${at}() {\n${code}}\n`);
    writeFileSync(
      join(directory, "examples.mts"),
      `import * as constructs from ${pipeline("synth/index.ts")};
import { ImageBuilder } from ${pipeline("builder/index.ts")};
import * as pins from ${pipeline("pins.ts")};
const { ${Object.keys(await import("../../pipeline/synth/index.ts")).join(", ")} } = constructs;
declare const app: constructs.App;
declare const release: constructs.Release;
declare const debian: constructs.Flavor;
declare const alpine: constructs.Flavor;
${functions.join("")}`,
    );
    writeFileSync(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        extends: join(REPOSITORY, "tsconfig.json"),
        compilerOptions: { typeRoots: [join(REPOSITORY, "node_modules/@types")] },
        include: ["examples.mts"],
      }),
    );
    const tsc = join(REPOSITORY, "node_modules/.bin/tsc");
    const { exitCode, stdout } = await command([tsc, "-p", directory], { root: directory });
    expect(stdout).toBe("");
    expect(exitCode).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
