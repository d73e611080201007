import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listPackages } from "../../../../pipeline/image/rootfs/packages.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised, type TestEntry } from "../../../support/tar.ts";

/** A root file system with these files, and the directories that they need. */
function tree(files: Readonly<Record<string, string>>): TestEntry[] {
  const directories = new Set<string>();
  for (const path of Object.keys(files)) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      directories.add(`${parts.slice(0, depth).join("/")}/`);
    }
  }
  return [
    ...[...directories].map((name) => ({ name })),
    ...Object.entries(files).map(([name, body]) => ({ name, body })),
  ];
}

const licensedOf = (files: Readonly<Record<string, string>>) =>
  normalised(join(tempDirectory(), "spool.tar"), tree(files), listPackages);
const packagesOf = async (files: Readonly<Record<string, string>>) =>
  (await licensedOf(files)).map(({ type, name, version }) => ({ type, name, version }));

const DPKG = `Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.dfsg+really1.3.1-1+b1
Description: compression library
 Package: not-a-field

Package: removed
Status: deinstall ok config-files
Version: 1.0

Package: bash
Status: hold ok installed
Version: 5.2.37-2
`;
const APK = `C:Q1abc=
P:musl
V:1.2.5-r9
A:x86_64

C:Q1def=
P:busybox
V:1.37.0-r12
`;

describe("the packages of an image", () => {
  it("are those that dpkg has installed, not those that it remembers", async () => {
    expect(await packagesOf({ "var/lib/dpkg/status": DPKG })).toEqual([
      { type: "deb", name: "bash", version: "5.2.37-2" },
      { type: "deb", name: "zlib1g", version: "1:1.3.dfsg+really1.3.1-1+b1" },
    ]);
  });

  it.each(["lib/apk/db/installed", "usr/lib/apk/db/installed"])(
    "are those of apk's database in %s",
    async (path) => {
      expect(await packagesOf({ [path]: APK })).toEqual([
        { type: "apk", name: "busybox", version: "1.37.0-r12" },
        { type: "apk", name: "musl", version: "1.2.5-r9" },
      ]);
    },
  );

  it("are those of npm too, by the name they are installed from and without the preset itself", async () => {
    const lock = {
      lockfileVersion: 3,
      packages: {
        "node_modules/@openai/codex": { version: "0.169.0" },
        "node_modules/a/node_modules/nested": { version: "2.0.0" },
        "node_modules/nested": { version: "1.0.0" },
        "node_modules/alias": { name: "real-name", version: "3.0.0" },
        "node_modules/linked": { link: true },
      },
    };
    expect(
      await packagesOf({
        "opt/codex/node_modules/.package-lock.json": JSON.stringify(lock),
        // Node's own copy of npm, and a lockfile that some package ships, describe no installation of ours.
        "opt/codex/node_modules/a/node_modules/.package-lock.json": "not even JSON",
      }),
    ).toEqual([
      { type: "npm", name: "@openai/codex", version: "0.169.0" },
      { type: "npm", name: "nested", version: "1.0.0" },
      { type: "npm", name: "nested", version: "2.0.0" },
      { type: "npm", name: "real-name", version: "3.0.0" },
    ]);
  });

  it("are listed once however many presets share them, sorted by kind, name and version", async () => {
    const lock = JSON.stringify({ packages: { "node_modules/shared": { version: "1.0.0" } } });
    const packages = await packagesOf({
      "var/lib/dpkg/status": DPKG,
      "opt/a/node_modules/.package-lock.json": lock,
      "opt/b/node_modules/.package-lock.json": lock,
    });
    expect(packages.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "deb bash",
      "deb zlib1g",
      "npm shared",
    ]);
  });

  it("are those of Python, and all state their licences in their own way", async () => {
    const lock = { packages: { "node_modules/a": { version: "1.0.0", license: "(MIT OR Apache-2.0)" } } };
    const all = await licensedOf({
      "var/lib/dpkg/status": DPKG,
      "usr/share/doc/bash/copyright":
        "Format: DEP-5\n\nFiles: *\nLicense: GPL-3+\n\nFiles: x\nLicense: BSD-3-clause \nLicense: GPL-3+\n",
      "usr/lib/apk/db/installed": "P:musl\nV:1.2.5-r9\nL:MIT\n",
      "opt/agent/node_modules/.package-lock.json": JSON.stringify(lock),
      "opt/agent/.venv/lib/python3.13/site-packages/rich-14.1.0.dist-info/METADATA":
        "Metadata-Version: 2.4\nName: rich\nVersion: 14.1.0\nLicense-Expression: MIT\n\nName: not-a-field\n",
    });
    expect(all.map(({ type, name, license }) => [type, name, license])).toEqual([
      ["apk", "musl", "MIT"],
      ["deb", "bash", "BSD-3-clause, GPL-3+"],
      ["deb", "zlib1g", undefined],
      ["npm", "a", "(MIT OR Apache-2.0)"],
      ["pypi", "rich", "MIT"],
    ]);
  });

  it("are none where there is no package manager", async () => {
    expect(await packagesOf({ "etc/passwd": "" })).toEqual([]);
  });
});
