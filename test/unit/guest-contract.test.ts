import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { REPOSITORY } from "../support/project.ts";

const textOf = (path: string) => readFileSync(join(REPOSITORY, path), "utf8");
const rows = textOf("docs/guest-contract.md")
  .split("\n")
  .filter((line) => /^\| (?!\*\*|SmolVM sends|-)/.test(line));
const proofs = rows.flatMap((row) => {
  const [, path, title] = /`(test\/[\w./-]+\.ts)`: (.+) \|$/.exec(row) ?? [];
  return path && title ? [[title, path] as const] : [];
});

it("has a test in each row, or says that there is none", () => {
  expect(rows.length).toBeGreaterThan(30);
  expect(rows.filter((row) => !/\| (none|`test\/[\w./-]+\.ts`(: .+)?) \|$/.test(row))).toEqual([]);
});

it.each([...new Map(proofs)])("names a test that there is: %s", (title, path) => {
  expect(textOf(path)).toContain(title);
});

it("names files that there are", () => {
  const paths = [...rows.join("\n").matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, path]) => path!);
  expect(paths.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
});

it("names every parameter of the kernel command line that /init reads", () => {
  const read = new Set(textOf("init/init").match(/\bsmolvm\.[a-z_0-9]+(?==)/g));
  expect(read.size).toBeGreaterThan(3);
  expect([...read].filter((name) => !textOf("docs/guest-contract.md").includes(`\`${name}=`))).toEqual([]);
});
