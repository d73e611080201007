import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withNewLock } from "../../../pipeline/edit/new-lock.ts";
import { REPOSITORY } from "../../support/project.ts";
import { Copy } from "../../support/synth-copy.ts";

const PACKAGE = "@openai/codex";
const INTEGRITY = `sha512-${Buffer.alloc(64).toString("base64")}`;

let copy: Copy;
beforeAll(() => {
  copy = new Copy();
});
afterAll(() => copy.remove());

type Entry = Record<string, unknown>;
interface Lock {
  readonly own?: Entry;
  readonly root?: Entry;
  /** Other entries. */
  readonly more?: Record<string, Entry>;
  /** Other fields of the file. */
  readonly top?: Entry;
}

/** The text of a lockfile of codex, with what is wrong in it. */
function lockfile({ own, root, more, top }: Lock): string {
  const packages = {
    "": { dependencies: { [PACKAGE]: own?.version ?? "0.170.0" }, ...root },
    [`node_modules/${PACKAGE}`]: { version: "0.170.0", integrity: INTEGRITY, ...own },
    ...more,
  };
  return `${JSON.stringify({ name: "codex", lockfileVersion: 3, requires: true, packages, ...top }, null, 2)}\n`;
}

const taken = (text: string) =>
  withNewLock({ root: copy.root, declaration: "pipeline/images.ts" }, { preset: "codex", lockfile: text });

it("takes a newer version, with aliases and bundled packages, and changes only the preset's files", async () => {
  const text = lockfile({
    more: {
      "node_modules/@openai/codex-linux-x64": {
        ...{ name: PACKAGE, version: "0.170.0-linux-x64", integrity: INTEGRITY },
      },
      [`node_modules/${PACKAGE}/node_modules/JSONStream`]: { version: "1.3.5", inBundle: true },
    },
  });
  const { version, pending } = await taken(text);
  expect(version).toBe("0.170.0");
  const texts = Object.fromEntries(pending.map(({ path, after }) => [path, after]));
  expect(texts["dockerfiles/codex/package-lock.json"]).toBe(text);
  expect(JSON.parse(texts["dockerfiles/codex/package.json"]!)).toEqual({
    private: true,
    dependencies: { [PACKAGE]: "0.170.0" },
  });
  const own = /^(dockerfiles\/codex[-/]|out\/)/;
  expect(Object.keys(texts).filter((path) => !own.test(path))).toEqual([]);
});

it.each(["claude-code", "codex", "openclaw", "pi"])(
  "finds nothing wrong with what npm wrote for %s",
  async (preset) => {
    const text = readFileSync(join(REPOSITORY, `dockerfiles/${preset}/package-lock.json`), "utf8");
    const project = { root: REPOSITORY, declaration: "pipeline/images.ts" };
    await expect(withNewLock(project, { preset, lockfile: text })).rejects.toThrow(
      /refused: \S+ is not newer than \S+:/,
    );
  },
);

it.each<[string, string | Lock, string]>([
  ["HTML", "<html>", "it is not a package-lock.json of lockfileVersion 3"],
  ["another version of the format", { top: { lockfileVersion: 2 } }, "it is not a package-lock.json"],
  ["the dependencies of an older format", { top: { dependencies: {} } }, "it is not a package-lock.json"],
  ["a text that npm did not write", lockfile({}).trim(), "it is not a package-lock.json"],
  [
    "a key that is there twice",
    lockfile({}).replace('"version"', '"version": "0.1.0",\n      "version"'),
    "it is not a package-lock.json",
  ],
  ["another preset's name", { top: { name: "pi" } }, `it does not lock ${PACKAGE} alone`],
  ["a second package", { root: { dependencies: { [PACKAGE]: "0.170.0", x: "1.0.0" } } }, "it does not lock"],
  ["a script of its own", { root: { scripts: { install: "id" } } }, `it does not lock ${PACKAGE} alone`],
  ["another package under its name", { own: { name: "evil" } }, `it has another package as ${PACKAGE}`],
  ["an older version", { own: { version: "0.168.0" } }, "0.168.0 is not newer than 0.169.0"],
  ["the present version", { own: { version: "0.169.0" } }, "0.169.0 is not newer than 0.169.0"],
  [
    "an address as the version",
    { own: { version: "http://127.0.0.1/x.tgz" } },
    "its version is not a version",
  ],
  ["no integrity hash", { own: { integrity: undefined } }, "it has no sha512 integrity hash"],
  ["a weak integrity hash", { own: { integrity: "sha1-AAAA" } }, "it has no sha512 integrity hash"],
  ["the address of a registry", { own: { resolved: "http://127.0.0.1/x.tgz" } }, "it has an address"],
  [
    "a bundled package with an address",
    {
      more: {
        [`node_modules/${PACKAGE}/node_modules/x`]: {
          ...{ version: "1.0.0", inBundle: true, resolved: "http://127.0.0.1/x.tgz" },
        },
      },
    },
    "it has an address",
  ],
  [
    "a bundled package that no package bundles",
    { more: { "node_modules/x": { version: "1.0.0", inBundle: true } } },
    "node_modules/x: no package bundles it",
  ],
  [
    "a place outside of node_modules",
    { more: { "node_modules/../../x": { version: "1.0.0", integrity: INTEGRITY } } },
    "it is not the place of a package",
  ],
  [
    "a workspace",
    { more: { x: { version: "1.0.0", integrity: INTEGRITY } } },
    "it is not the place of a package",
  ],
  [
    "a link",
    { more: { "node_modules/x": { version: "1.0.0", integrity: INTEGRITY, link: true } } },
    "node_modules/x: it has an address",
  ],
  [
    "an alias to an address",
    { more: { "node_modules/x": { name: "git+ssh://x", version: "1.0.0", integrity: INTEGRITY } } },
    "its name is not that of a package",
  ],
])("refuses %s", async (_, lock, message) => {
  const text = typeof lock === "string" ? lock : lockfile(lock);
  await expect(taken(text)).rejects.toMatchObject({
    name: "PipelineError",
    message: expect.stringContaining("the new lockfile of codex is refused: "),
    problem: expect.stringContaining(message),
  });
});

it("refuses a version outside of the range that holds the preset", async () => {
  const declared = copy.read("pipeline/images.ts");
  const hold = 'npm("@openai/codex", { hold: { range: "<0.170", reason: "0.170 is slow" }, ';
  copy.write("pipeline/images.ts", declared.replace('npm("@openai/codex", { ', hold));
  await expect(taken(lockfile({}))).rejects.toThrow(
    "the new lockfile of codex is refused: it is held to <0.170, and 0.170.0 is not in that range (0.170 is slow): ",
  );
});
