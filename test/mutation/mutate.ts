/**
 * `npm run mutate [-- GROUP…] [--table] [--survivors]`: breaks what protects people, one place at a time, looks whether a
 * test fails, and prints the score by folder. What was broken before, and has not changed since, is not tried again.
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import { GROUPS } from "./groups.ts";

/** Percent of its mutants that a folder's tests must notice. */
const WANTED = 90;
const DIRECTORY = "out/cache/mutation";
const reportOf = (name: string) => `${DIRECTORY}/${name}.json`;
/** The report of a run that has not ended: one that is interrupted leaves the last one as it is. */
const nextOf = (name: string) => `${DIRECTORY}/${name}.next.json`;

/**
 * What a run begins with: the last report without what no test has noticed, which is tried again. Stryker itself does
 * not where the mutant is in a constant of a module, of which it does not know the tests.
 */
async function begin(name: string): Promise<void> {
  await rm(nextOf(name), { force: true });
  const report = await read(name);
  if (!report) return;
  const files = Object.entries(report.files).map(([path, file]) => [
    path,
    { ...file, mutants: file.mutants.filter((mutant) => noticed(mutant) !== false) },
  ]);
  await writeFile(nextOf(name), JSON.stringify({ ...report, files: Object.fromEntries(files) }));
}

async function mutate(name: string): Promise<void> {
  const { mutate, tests } = GROUPS[name]!;
  await begin(name);
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
    incrementalFile: nextOf(name),
    tempDirName: `${DIRECTORY}/${name}`,
    ignorePatterns: ["out/cache", "out/images", "out/release", "bench", "test/e2e"],
    reporters: ["progress-append-only"],
    allowConsoleColors: false,
  }).runMutationTest();
  await rename(nextOf(name), reportOf(name));
}

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

/** Whether a test has noticed; undefined for what is no program any more (or was not tried). */
const noticed = ({ status }: Mutant): boolean | undefined =>
  ({ Killed: true, Timeout: true, Survived: false, NoCoverage: false })[status];

/** The report of a group, of whenever it was mutated last; undefined where it never was. */
async function read(name: string): Promise<Report | undefined> {
  try {
    return JSON.parse(await readFile(reportOf(name), "utf8")) as Report;
  } catch {
    return undefined;
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: "boolean", default: false },
    survivors: { type: "boolean", default: false },
  },
});
const unknown = positionals.find((name) => !Object.hasOwn(GROUPS, name));
if (unknown !== undefined) {
  console.error(`error: unknown group "${unknown}"; one of: ${Object.keys(GROUPS).join(", ")}`);
  process.exit(2);
}

if (!values.table) {
  // A mutant may remove or write what it should not: none finds the user's own images and machines.
  const home = resolve(DIRECTORY, "home");
  await mkdir(home, { recursive: true });
  process.env.HOME = home;
  for (const name of positionals.length > 0 ? positionals : Object.keys(GROUPS)) await mutate(name);
}

const scores = new Map<string, { all: number; noticed: number }>();
for (const name of Object.keys(GROUPS)) {
  const report = await read(name);
  if (!report) console.error(`${name}: not mutated yet`);
  for (const [path, { mutants, source }] of Object.entries(report?.files ?? {})) {
    const folder = posix.dirname(path);
    const score = scores.get(folder) ?? { all: 0, noticed: 0 };
    scores.set(folder, score);
    for (const mutant of mutants) {
      const seen = noticed(mutant);
      if (seen === undefined) continue;
      score.all++;
      if (seen) score.noticed++;
      if (seen || !values.survivors) continue;
      const { line, column } = mutant.location.start;
      console.error(
        `${path}:${line}:${column} ${mutant.mutatorName}: ${source.split("\n")[line - 1]!.trim()}`,
      );
      console.error(`  -> ${mutant.replacement.replace(/\s+/g, " ")}`);
    }
  }
}
console.log("| folder | mutants | noticed | score |\n|---|---:|---:|---:|");
for (const [folder, score] of [...scores].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const percent = (100 * score.noticed) / score.all;
  if (percent < WANTED) process.exitCode = 1;
  console.log(`| \`${folder}\` | ${score.all} | ${score.noticed} | ${percent.toFixed(1)} % |`);
}
