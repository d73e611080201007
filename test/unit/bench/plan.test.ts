import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { savings, withSavings } from "../../../bench/plan.ts";
import { REPOSITORY } from "../../support/project.ts";

const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");

it("README gets the table in the place of its own, and nothing else of it changes", async () => {
  const table = await savings(readme);
  expect(table).toMatch(/^\| only the tag changed \| 0 of \d+ \| 0 of \d+ \| 0 \| 0 \| [\d.]+ GB \|$/m);
  const begin = readme.indexOf("| change | root file systems built");
  const end = readme.indexOf("\n\n", begin) + 1;
  expect(begin).toBeGreaterThan(0);
  expect(withSavings(readme, table)).toBe(readme.slice(0, begin) + table + readme.slice(end));
});

it("the table follows from the measurements in README", async () => {
  const slower = readme.replace("| 477 s, 21 s |", "| 1077 s, 21 s |");
  expect(slower).not.toBe(readme);
  const minutes = (table: string) => table.split("\n").map((line) => Number(line.split("|")[4]));
  const [before, after] = [minutes(await savings(readme)), minutes(await savings(slower))];
  // Ten minutes more for each root file system that is built.
  const built = (await savings(readme))
    .split("\n")
    .map((line) => Number(line.split("|")[2]?.split(" of ")[0]));
  expect(built[3]).toBe(4);
  expect(after.slice(2, 8).map((each, row) => each - before[row + 2]!)).toEqual(
    built.slice(2, 8).map((each) => 10 * each),
  );
  await expect(savings(readme.replace("| compressing at", "| packing at"))).rejects.toThrow(
    'README has no measurement "compressing at level 19"',
  );
});
