import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { savings, withSavings } from "../../../bench/plan.ts";
import { REPOSITORY } from "../../support/project.ts";

const page = readFileSync(join(REPOSITORY, "docs/measurements.md"), "utf8");

it("The page gets the table in the place of its own, and nothing else of it changes", async () => {
  const table = await savings(page);
  expect(table).toMatch(/^\| only the tag changed \| 0 of \d+ \| 0 of \d+ \| 0 \| 0 \| [\d.]+ GB \|$/m);
  const begin = page.indexOf("| change | root file systems built");
  const end = page.indexOf("\n\n", begin) + 1;
  expect(begin).toBeGreaterThan(0);
  expect(withSavings(page, table)).toBe(page.slice(0, begin) + table + page.slice(end));
});

it("the table follows from the measurements of the page", async () => {
  const slower = page.replace("| 477 s, 21 s |", "| 1077 s, 21 s |");
  expect(slower).not.toBe(page);
  const minutes = (table: string) => table.split("\n").map((line) => Number(line.split("|")[4]));
  const [before, after] = [minutes(await savings(page)), minutes(await savings(slower))];
  // Ten minutes more for each root file system that is built.
  const built = (await savings(page)).split("\n").map((line) => Number(line.split("|")[2]?.split(" of ")[0]));
  expect(built[3]).toBe(4);
  expect(after.slice(2, 8).map((each, row) => each - before[row + 2]!)).toEqual(
    built.slice(2, 8).map((each) => 10 * each),
  );
  await expect(savings(page.replace("| compressing at", "| packing at"))).rejects.toThrow(
    'docs/measurements.md has no measurement "compressing at level 19"',
  );
});
