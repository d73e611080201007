/**
 * `npm run mutate [-- GROUP…] [--survivors]`: breaks what protects people, one place at a time, looks whether a test
 * fails, and prints the score by folder. What was broken before, and has not changed since, is not tried again.
 */
import { mkdir, readFile } from "node:fs/promises";
import { posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import { GROUPS } from "./groups.ts";

/** The parts of Stryker's report that the table needs. */
interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly Mutant[]; readonly source: string }>>;
}
interface Mutant {
  readonly mutatorName: string;
  readonly replacement: string;
  readonly status: string;
  readonly location: { readonly start: { readonly line: number; readonly column: number } };
}

const NOTICED = new Set(["Killed", "Timeout"]);
const MISSED = new Set(["Survived", "NoCoverage"]);
const reportOf = (name: string) => `out/cache/mutation/${name}.json`;

async function mutate(name: string): Promise<void> {
  const { mutate, tests } = GROUPS[name]!;
  process.env.MUTATION_TESTS = tests.join();
  await new Stryker({
    testRunner: "vitest",
    plugins: [import.meta.resolve("@stryker-mutator/vitest-runner")],
    vitest: { configFile: "vitest.mutation.config.ts", related: false },
    mutate: [...mutate],
    coverageAnalysis: "perTest",
    // Vitest checks no types, and Stryker reads tsconfig.json with an older TypeScript alone.
    disableTypeChecks: false,
    tsconfigFile: "none",
    concurrency: 2,
    // A loop that never ends; whoever waits in vain is ended by vitest before.
    timeoutMS: 60_000,
    timeoutFactor: 4,
    incremental: true,
    incrementalFile: reportOf(name),
    tempDirName: "out/cache/mutation/tree",
    ignorePatterns: ["out/cache", "out/images", "out/release", "bench", "test/e2e"],
    reporters: ["progress-append-only"],
    allowConsoleColors: false,
  }).runMutationTest();
}

/** The report of a group that was mutated before; nothing where it never was. */
async function read(name: string): Promise<Report["files"]> {
  const text = await readFile(reportOf(name), "utf8").catch(() => '{"files":{}}');
  return (JSON.parse(text) as Report).files;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { survivors: { type: "boolean", default: false }, "no-run": { type: "boolean", default: false } },
});
const names = positionals.length > 0 ? positionals : Object.keys(GROUPS);
const unknown = names.find((name) => !Object.hasOwn(GROUPS, name));
if (unknown !== undefined) {
  console.error(`error: unknown group "${unknown}"; one of: ${Object.keys(GROUPS).join(", ")}`);
  process.exit(2);
}
// A mutant may remove or write what it should not: no mutant finds the user's own images and machines.
const home = resolve("out/cache/mutation/home");
await mkdir(home, { recursive: true });
process.env.HOME = home;
if (!values["no-run"]) for (const name of names) await mutate(name);

const scores = new Map<string, { noticed: number; missed: number }>();
for (const files of await Promise.all(Object.keys(GROUPS).map(read))) {
  for (const [path, { mutants, source }] of Object.entries(files)) {
    const folder = posix.dirname(path);
    const score = scores.get(folder) ?? { noticed: 0, missed: 0 };
    for (const { status, location, mutatorName, replacement } of mutants) {
      if (NOTICED.has(status)) score.noticed++;
      if (!MISSED.has(status)) continue;
      score.missed++;
      const { line, column } = location.start;
      const there = source.split("\n")[line - 1]!.trim();
      if (values.survivors) {
        console.error(`${path}:${line}:${column} ${mutatorName} ${status}\n  ${there}\n  -> ${replacement}`);
      }
    }
    scores.set(folder, score);
  }
}
console.log("| folder | mutants | noticed | score |\n|---|---|---|---|");
for (const [folder, { noticed, missed }] of [...scores].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const all = noticed + missed;
  console.log(`| ${folder} | ${all} | ${noticed} | ${((100 * noticed) / all).toFixed(1)} % |`);
}
