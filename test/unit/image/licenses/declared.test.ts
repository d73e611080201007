import { expect, it } from "vitest";
import {
  declaredLicenses,
  npmLicenses,
  pythonLicenses,
} from "../../../../pipeline/image/licenses/declared.ts";

const spdx = (id: string) => ({ spdx: id });
const name = (text: string) => ({ name: text });

it.each([
  ["GPL-2.0-or-later AND MIT", [spdx("GPL-2.0-or-later"), spdx("MIT")]],
  ["ISC AND ( BSD-3-Clause OR MIT )", [spdx("BSD-3-Clause OR MIT"), spdx("ISC")]],
  ["GPL2+", [spdx("GPL-2.0-or-later")]],
  ["SSH-OpenSSH", [spdx("SSH-OpenSSH")]],
  ["BSD-3-Clause AND Public-Domain", [spdx("BSD-3-Clause"), name("Public-Domain")]],
  ["GPL-3.0-or-later WITH OpenSSL-Exception", [name("GPL-3.0-or-later WITH OpenSSL-Exception")]],
  ["", []],
  [undefined, []],
])("Alpine's %s is %j", (license, licenses) => {
  expect(declaredLicenses(license)).toEqual(licenses);
});

it("long runs of spaces in the metadata of a Python package are read as quickly as other text", () => {
  const spaces = " ".repeat(500_000);
  expect(pythonLicenses(`License: a${spaces}b\nClassifier: License :: OSI${spaces}\n`)).toEqual([
    name("OSI"),
  ]);
});

it.each([
  [{ license: "MIT" }, [spdx("MIT")]],
  [{ license: "(MIT OR Apache-2.0)" }, [spdx("Apache-2.0 OR MIT")]],
  [{ license: { type: "BSD-3-Clause", url: "https://example.com" } }, [spdx("BSD-3-Clause")]],
  [{ licenses: [{ type: "MIT" }, { type: "GPL-2.0" }] }, [spdx("GPL-2.0-only OR MIT")]],
  [{ licenses: ["MIT"] }, [spdx("MIT")]],
  [{ license: "SEE LICENSE IN README.md" }, [name("SEE LICENSE IN README.md")]],
  [{ license: "UNLICENSED" }, [name("UNLICENSED")]],
  [{ license: "BSD" }, [name("BSD")]],
  [{ license: 7 }, []],
  [{ license: null, licenses: [{}] }, []],
  [{}, []],
])("npm's %j is %j", (manifest, licenses) => {
  expect(npmLicenses(manifest)).toEqual(licenses);
});

const OSI = "Classifier: License :: OSI Approved";
it.each([
  ["License-Expression: MIT\nLicense: BSD", [spdx("MIT")]],
  ["License: Apache License, Version 2.0", [spdx("Apache-2.0")]],
  [`License: BSD\n${OSI} :: BSD License`, [name("BSD")]],
  [`License: see file\n${OSI} :: MIT License`, [spdx("MIT")]],
  [`License: Copyright A\n Permission is granted\n${OSI} :: ISC License (ISCL)`, [spdx("ISC")]],
  [`${OSI} :: Mozilla Public License 2.0 (MPL 2.0)`, [spdx("MPL-2.0")]],
  [`${OSI} :: GNU General Public License v2 or later (GPLv2+)`, [spdx("GPL-2.0-or-later")]],
  // Neither says which version.
  [`${OSI} :: Apache Software License`, [name("Apache Software License")]],
  [
    `${OSI} :: GNU Library or Lesser General Public License (LGPL)`,
    [name("GNU Library or Lesser General Public License (LGPL)")],
  ],
  // Two classifiers do not say whether both apply or one may be chosen.
  [`${OSI} :: MIT License\n${OSI} :: ISC License (ISCL)`, []],
  ["License: UNKNOWN", []],
  ["\nLicense: MIT", []],
])("Python's %j is %j", (fields, licenses) => {
  expect(pythonLicenses(`Metadata-Version: 2.4\nName: a\nVersion: 1\n${fields}\n\nThe readme.\n`)).toEqual(
    licenses,
  );
});
