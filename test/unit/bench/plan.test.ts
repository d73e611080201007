import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { savings } from "../../../bench/plan.ts";
import { REPOSITORY } from "../../support/project.ts";

const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");

it("README has the table that `npm run bench:plan` prints for this tree", async () => {
  expect(readme).toContain(`\n\n${await savings(readme)}\n`);
});

it("the table follows from the measurements in README", async () => {
  const slower = readme.replace("| 477 s, 21 s |", "| 1077 s, 21 s |");
  expect(slower).not.toBe(readme);
  const minutes = (table: string) => table.split("\n").map((line) => Number(line.split("|")[4]));
  const [before, after] = [minutes(await savings(readme)), minutes(await savings(slower))];
  // Ten minutes more for each root file system: all 20, 4, 20, 20, none and none.
  expect(after.slice(2, 8).map((each, row) => each - before[row + 2]!)).toEqual([200, 40, 200, 200, 0, 0]);
  await expect(savings(readme.replace("| compressing at", "| packing at"))).rejects.toThrow(
    'README has no measurement "compressing at level 19"',
  );
});
