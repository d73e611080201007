import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { npmPackages } from "../../../../pipeline/image/rootfs/npm-packages.ts";
import { listPackages } from "../../../../pipeline/image/rootfs/packages.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised, tree } from "../../../support/tar.ts";

const licensedOf = (files: Readonly<Record<string, string>>) =>
  normalised(join(tempDirectory(), "spool.tar"), tree(files), async (rootfs) =>
    listPackages(rootfs, await npmPackages(rootfs)),
  );
const packagesOf = async (files: Readonly<Record<string, string>>) =>
  (await licensedOf(files)).map(({ type, name, version }) => ({ type, name, version }));

const DPKG = `Package: zlib1g
Status: install ok installed
Source: zlib (1:1.3.dfsg+really1.3.1-1)
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

  it("have the source packages by which advisories name them", async () => {
    const all = await licensedOf({
      "var/lib/dpkg/status": DPKG,
      "lib/apk/db/installed": "P:libssl3\nV:3.5.1-r0\nA:noarch\no:openssl\n\nP:musl\nV:1\no:musl\n",
    });
    expect(all.map(({ name, upstream, architecture }) => [name, upstream, architecture])).toEqual([
      ["libssl3", "openssl", "noarch"],
      ["musl", undefined, undefined],
      ["bash", undefined, undefined],
      ["zlib1g", "zlib@1:1.3.dfsg+really1.3.1-1", "amd64"],
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

  it("are those of npm too: nested ones, bundled ones and those that a package has in its own files", async () => {
    const manifest = (name: string, version: string) => JSON.stringify({ name, version });
    expect(
      await packagesOf({
        "opt/codex/package.json": manifest("codex", "0.0.1"),
        "opt/codex/node_modules/@openai/codex/package.json": manifest("@openai/codex", "0.169.0"),
        "opt/codex/node_modules/a/package.json": `\ufeff${manifest("a", "1.0.0")}`,
        "opt/codex/node_modules/a/node_modules/nested/package.json": manifest("nested", "2.0.0"),
        "opt/codex/node_modules/a/vendor/copied/package.json": manifest("copied", "4.0.0"),
        "opt/codex/node_modules/nested/package.json": manifest("nested", "1.0.0"),
        "opt/codex/node_modules/alias/package.json": manifest("real-name", "3.0.0-linux-x64"),
        "usr/local/lib/node_modules/npm/package.json": manifest("npm", "11.0.0"),
        "usr/local/lib/node_modules/npm/node_modules/semver/package.json": manifest("semver", "7.7.0"),
      }),
    ).toEqual([
      { type: "npm", name: "@openai/codex", version: "0.169.0" },
      { type: "npm", name: "a", version: "1.0.0" },
      { type: "npm", name: "copied", version: "4.0.0" },
      { type: "npm", name: "nested", version: "1.0.0" },
      { type: "npm", name: "nested", version: "2.0.0" },
      { type: "npm", name: "npm", version: "11.0.0" },
      { type: "npm", name: "real-name", version: "3.0.0-linux-x64" },
      { type: "npm", name: "semver", version: "7.7.0" },
    ]);
  });

  it("have the names and versions that npm installed, whatever they say of themselves", async () => {
    const lock = {
      packages: {
        "node_modules/evil": { version: "6.6.6" },
        "node_modules/alias": { name: "@scope/real", version: "2.0.0" },
        "node_modules/linked": { link: true },
      },
    };
    const lodash = JSON.stringify({ name: "lodash", version: "4.17.21" });
    expect(
      await packagesOf({
        "opt/x/node_modules/.package-lock.json": JSON.stringify(lock),
        "opt/x/node_modules/evil/package.json": lodash,
        "opt/x/node_modules/evil/node_modules/.package-lock.json": JSON.stringify({
          packages: { "../../alias": { version: "9.9.9" } },
        }),
        "opt/x/node_modules/alias/package.json": lodash,
      }),
    ).toEqual([
      { type: "npm", name: "@scope/real", version: "2.0.0" },
      { type: "npm", name: "evil", version: "6.6.6" },
    ]);
  });

  it.each([
    ["is not JSON", "a", "{ half"],
    ["is not an object", "a", "null"],
    ["has no version", "a", '{"name":"a"}'],
    ["has no name", "a", '{"type":"module","version":"1.0.0"}'],
    ["has a name that npm has not", "a", '{"name":"a b\\nc","version":"1.0.0"}'],
    ["has a version that is none", "a", '{"name":"a","version":"1 0"}'],
    ["is larger than any", "a", JSON.stringify({ name: "a", version: "1.0.0", x: "x".repeat(1 << 20) })],
    ["lies in a scope's directory", "@scope", '{"name":"a","version":"1.0.0"}'],
    ["lies in a hidden directory", ".cache", '{"name":"a","version":"1.0.0"}'],
  ])("are not those of a package.json that %s", async (_, name, text) => {
    expect(await packagesOf({ [`opt/x/node_modules/${name}/package.json`]: text })).toEqual([]);
  });

  it("are listed once however many presets share them, sorted by kind, name and version", async () => {
    const shared = '{"name":"shared","version":"1.0.0"}';
    const packages = await packagesOf({
      "var/lib/dpkg/status": DPKG,
      "opt/a/node_modules/shared/package.json": shared,
      "opt/b/node_modules/shared/package.json": shared,
    });
    expect(packages.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "deb bash",
      "deb zlib1g",
      "npm shared",
    ]);
  });

  it("are those of Python, and all state their licences in their own way", async () => {
    const npm = (name: string, fields: object) => ({
      [`opt/agent/node_modules/${name}/package.json`]: JSON.stringify({ name, version: "1.0.0", ...fields }),
    });
    const all = await licensedOf({
      "var/lib/dpkg/status": DPKG,
      "usr/share/doc/bash/copyright":
        "Format: DEP-5\n\nFiles: *\nLicense: GPL-3+\n\nFiles: x\nLicense: BSD-3-clause \nLicense: GPL-3+\n",
      "usr/lib/apk/db/installed": "P:musl\nV:1.2.5-r9\nL:MIT\n",
      ...npm("a", { license: "(MIT OR Apache-2.0)" }),
      ...npm("b", { license: { type: "ISC", url: "x" } }),
      ...npm("c", { licenses: [{ type: "MIT" }, { type: "Apache-2.0" }] }),
      ...npm("d", { license: 7 }),
      "opt/agent/.venv/lib/python3.13/site-packages/rich-14.1.0.dist-info/METADATA":
        "Metadata-Version: 2.4\nName: rich\nVersion: 14.1.0\nLicense-Expression: MIT\n\nName: not-a-field\n",
    });
    expect(all.map(({ type, name, license }) => [type, name, license])).toEqual([
      ["apk", "musl", [{ spdx: "MIT" }]],
      ["deb", "bash", [{ spdx: "BSD-3-Clause" }, { spdx: "GPL-3.0-or-later" }]],
      ["deb", "zlib1g", []],
      ["npm", "a", [{ spdx: "Apache-2.0 OR MIT" }]],
      ["npm", "b", [{ spdx: "ISC" }]],
      ["npm", "c", [{ spdx: "Apache-2.0 OR MIT" }]],
      ["npm", "d", []],
      ["pypi", "rich", [{ spdx: "MIT" }]],
    ]);
  });

  it("are none where there is no package manager", async () => {
    expect(await packagesOf({ "etc/passwd": "" })).toEqual([]);
  });
});
