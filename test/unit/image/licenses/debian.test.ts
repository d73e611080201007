import { expect, it } from "vitest";
import { DebianLicenses } from "../../../../pipeline/image/licenses/debian.ts";

const STATUS = `Package: libgcc-s1
Source: gcc-14 (14.2.0-19)
Pre-Depends: other
Depends: missing | libc6, gcc-14-base (= 14.2.0-19), libc6 (>= 2.35)

Package: gcc-14-base
Source: gcc-14
Depends: libgcc-s1

Package: other
Depends: libc6:any (>= 2.35)

Package: libc6
Source: glibc
`;
const copyright = (license: string) =>
  `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: ${license}\n`;
const FILES: Readonly<Record<string, string>> = {
  "usr/share/doc/gcc-14-base/copyright": copyright("GPL-3+"),
  "usr/share/doc/libc6/copyright": copyright("LGPL-2.1+"),
};

it.each([
  ["a package's own copyright file", "libc6", [{ spdx: "LGPL-2.1-or-later" }]],
  ["that of a package of its source that it depends on", "libgcc-s1", [{ spdx: "GPL-3.0-or-later" }]],
  ["nothing of a package of another source", "other", []],
  ["nothing of a package that is not installed", "absent", []],
])("the licences are from %s", async (_, name, licenses) => {
  expect(await new DebianLicenses(STATUS, async (path) => FILES[path]).of(name)).toEqual(licenses);
});
