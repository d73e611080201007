/**
 * Runs one measurement: `npm run bench -- NAME [options]`. Each file beside this one is a measurement; its first lines say
 * what it measures.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const directory = import.meta.dirname;
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".ts") && name !== "run.ts")
  .map((name) => name.replace(/\.ts$/, ""));

/** The first sentence of a measurement's file. */
const about = (name: string): string => {
  const [, comment = ""] =
    /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(directory, `${name}.ts`), "utf8")) ?? [];
  return comment
    .replaceAll(/\s*\n \*\s*/g, " ")
    .trim()
    .split(/[.:](?:\s|$)/)[0]!;
};

const name = process.argv[2];
if (name !== undefined && names.includes(name)) {
  const file = join(directory, `${name}.ts`);
  // A measurement finds its own path and its own options, as if it had been started alone.
  process.argv.splice(1, 2, file);
  await import(pathToFileURL(file).href);
} else {
  const list = names.map((each) => `  ${each.padEnd(10)} ${about(each)}\n`).join("");
  if (name === undefined) process.stdout.write(`npm run bench -- NAME [options]\n\n${list}`);
  else {
    process.stderr.write(`error: there is no measurement "${name}": use one of ${names.join(", ")}\n`);
    process.exitCode = 2;
  }
}
