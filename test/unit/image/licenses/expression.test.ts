import fc from "fast-check";
import parse from "spdx-expression-parse";
import { expect, it } from "vitest";
import { parseLicenses } from "../../../../pipeline/image/licenses/expression.ts";

const said = (text: string) =>
  parseLicenses(text).map((license) => ("spdx" in license ? license.spdx : `named ${license.name}`));

it.each([
  // GNU's names, as Debian, Alpine and npm write them.
  ["GPL-2+", "GPL-2.0-or-later"],
  ["GPL-2", "GPL-2.0-only"],
  ["GPL-2.0", "GPL-2.0-only"],
  ["GPL-2.0+", "GPL-2.0-or-later"],
  ["GPL-1+", "GPL-1.0-or-later"],
  ["GPLv3+", "GPL-3.0-or-later"],
  ["GPL-3.0-or-later", "GPL-3.0-or-later"],
  ["GPL2", "GPL-2.0-only"],
  ["LGPL-2", "LGPL-2.0-only"],
  ["LGPL-2.1+", "LGPL-2.1-or-later"],
  ["LGPLv2.1+", "LGPL-2.1-or-later"],
  ["LGPL-3+", "LGPL-3.0-or-later"],
  ["AGPL-3+", "AGPL-3.0-or-later"],
  ["GFDL-1.3+", "GFDL-1.3-or-later"],
  ["gfdl-1.2+", "GFDL-1.2-or-later"],
  ["GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"],
  ["GFDL-1.3+-no-invariant", "GFDL-1.3-no-invariants-or-later"],
  // Debian's other names.
  ["Expat", "MIT"],
  ["Artistic", "Artistic-1.0-Perl"],
  ["Artistic-2", "Artistic-2.0"],
  ["BSD-3-clause", "BSD-3-Clause"],
  ["bsd-2-clause", "BSD-2-Clause"],
  ["Apache-2", "Apache-2.0"],
  ["BSL-1", "BSL-1.0"],
  ["OpenLDAP-2.8", "OLDAP-2.8"],
  ["curl", "curl"],
  ["zlib", "Zlib"],
  ["isc", "ISC"],
  ["CC0-1.0", "CC0-1.0"],
  ["GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"],
  ["GPL-2+ with Libtool exception", "GPL-2.0-or-later WITH Libtool-exception"],
  // Sentences of registries.
  ["Apache License, Version 2.0", "Apache-2.0"],
  ["MIT License", "MIT"],
])("%s is SPDX's %s", (name, id) => {
  expect(said(name)).toEqual([id]);
});

it.each([
  "public-domain",
  "BSD",
  "GPL",
  "LGPL",
  "MIT/X11",
  "BSD-4-clause-POWERDOG",
  "GPL-9",
  // The name of the exception alone says which of several texts it is not.
  "GPL-3+ with Autoconf exception",
  "constructor",
])("%s stays a name, because no SPDX id is certain", (name) => {
  expect(said(name)).toEqual([`named ${name}`]);
});

it.each([
  ["GPL-2+ and Expat", ["GPL-2.0-or-later", "MIT"]],
  ["GPL-1+ or Artistic", ["Artistic-1.0-Perl OR GPL-1.0-or-later"]],
  ["Artistic or GPL-1+", ["Artistic-1.0-Perl OR GPL-1.0-or-later"]],
  // `and` binds closer than `or`, and a comma least of all.
  ["Expat or ISC and Zlib", ["(ISC AND Zlib) OR MIT"]],
  ["Expat or ISC, and Zlib", ["ISC OR MIT", "Zlib"]],
  [
    "GPL-2+ with Libtool exception, Expat and GPL-2+",
    ["GPL-2.0-or-later", "GPL-2.0-or-later WITH Libtool-exception", "MIT"],
  ],
  ["ISC AND ( BSD-3-Clause OR MIT )", ["BSD-3-Clause OR MIT", "ISC"]],
  ["LGPLv3+_or_GPLv2+", ["GPL-2.0-or-later OR LGPL-3.0-or-later"]],
  // A choice with a part that SPDX has no id of.
  ["GPL-2+ or MIT-US-export", ["GPL-2.0-or-later OR LicenseRef-MIT-US-export"]],
  ["DEC or Carnegie", ["named DEC or Carnegie"]],
  ["Expat and Expat", ["MIT"]],
])("%s is %j", (text, licenses) => {
  expect(said(text)).toEqual(licenses);
});

it("gives expressions that an SPDX parser takes, whatever the text", () => {
  const word = fc.constantFrom(
    ...[
      "and",
      "or",
      "with",
      ",",
      "(",
      ")",
      "GPL-2+",
      "Expat",
      "public-domain",
      "exception",
      "MIT/X11",
      "é",
      "+",
    ],
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(" ")),
      ),
      (text) => {
        for (const license of parseLicenses(text)) {
          if ("spdx" in license) expect(() => parse(license.spdx)).not.toThrow();
          else expect(license.name.trim()).not.toBe("");
        }
      },
    ),
  );
});

it("takes nothing from a text that is too long for an expression", () => {
  expect(said("(".repeat(1_000_000))).toEqual([]);
});
