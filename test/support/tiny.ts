import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./project.ts";

/** A program of ten megabytes that runs without Node: the smallest preset there is. */
export const TINY = {
  package: "esbuild",
  binary: "@esbuild/linux-*/bin/esbuild",
  check: ["esbuild", "--version"],
};

/** What npm would lock for a preset of it: this project's own lockfile has it. Texts by path. */
export function tinyLockfile(preset: string): Record<string, string> {
  const { packages } = JSON.parse(readFileSync(join(REPOSITORY, "package-lock.json"), "utf8"));
  const { version } = packages[`node_modules/${TINY.package}`];
  const root = { name: preset, dependencies: { [TINY.package]: version } };
  const names = Object.keys(packages).filter(
    (path) => path === `node_modules/${TINY.package}` || path.startsWith("node_modules/@esbuild/"),
  );
  const locked = Object.fromEntries(names.map((path) => [path, { ...packages[path], dev: undefined }]));
  const lock = { name: preset, lockfileVersion: 3, requires: true, packages: { "": root, ...locked } };
  return {
    [`dockerfiles/${preset}/package.json`]: JSON.stringify(root),
    [`dockerfiles/${preset}/package-lock.json`]: JSON.stringify(lock),
  };
}
