import { join } from "node:path";
import { expect, it } from "vitest";
import {
  differences,
  type Fingerprints,
  fingerprints,
} from "../../../../pipeline/image/rootfs/fingerprint.ts";
import { tempDirectory } from "../../../support/run.ts";
import { normalised, type TestEntry } from "../../../support/tar.ts";

const of = (entries: readonly TestEntry[]): Promise<Fingerprints> =>
  normalised(join(tempDirectory(), "spool.tar"), entries, fingerprints);

const ROOT: TestEntry[] = [
  { name: "etc/" },
  { name: "etc/config", body: "same", mode: 0o644 },
  { name: "etc/link", type: "symlink", linkname: "config" },
];
const changed = (name: string, change: Partial<TestEntry>) =>
  ROOT.map((entry) => (entry.name === name ? { ...entry, ...change } : entry));

it("two root file systems that are the same have no differences", async () => {
  expect(differences(await of(ROOT), await of(ROOT))).toEqual([]);
});

it.each<[string, TestEntry[], RegExp]>([
  [
    "content",
    changed("etc/config", { body: "other" }),
    /^etc\/config: content [0-9a-f]{16} in the first, [0-9a-f]{16} in the second$/,
  ],
  ["mode", changed("etc/config", { mode: 0o600 }), /^etc\/config: mode 644 in the first, 600 in the second$/],
  [
    "owner",
    changed("etc/config", { uid: 1000 }),
    /^etc\/config: owner 0:0 in the first, 1000:0 in the second$/,
  ],
  [
    "time",
    changed("etc/config", { mtime: new Date(1000) }),
    /^etc\/config: time 1970-01-01T00:00:00\.000Z in the first, 1970-01-01T00:00:01/,
  ],
  [
    "target",
    changed("etc/link", { linkname: "/etc/config" }),
    /^etc\/link: target config in the first, \/etc\/config in the second$/,
  ],
  ["group", changed("etc/config", { gid: 7 }), /^etc\/config: owner 0:0 in the first, 0:7 in the second$/],
  [
    "capability",
    changed("etc/config", { pax: { "SCHILY.xattr.security.capability": "xy" } }),
    /^etc\/config: capability {2}in the first, xy in the second$/,
  ],
  [
    "mode and owner",
    changed("etc/config", { mode: 0o600, uid: 7 }),
    /^etc\/config: mode 644 in the first, 600 in the second, owner 0:0 in the first, 7:0 in the second$/,
  ],
  [
    "type",
    changed("etc/link", { type: "file" }),
    /^etc\/link: type symlink in the first, file in the second, /,
  ],
  ["one path more", [...ROOT, { name: "etc/when" }], /^etc\/when is only in the second$/],
  ["one path less", ROOT.slice(0, 2), /^etc\/link is only in the first$/],
])("names the path and its %s", async (_, second, difference) => {
  expect(differences(await of(ROOT), await of(second))).toEqual([expect.stringMatching(difference)]);
});

it("names where the order differs, when nothing else does", async () => {
  const first = await of(ROOT);
  const second = new Map([...first].toReversed());
  expect(differences(first, second)).toEqual(["the order of paths differs, beginning at etc"]);
});

it("tells devices apart by their numbers", async () => {
  const disk = (devmajor: number, devminor: number) =>
    of([{ name: "disk", type: "block-device", devmajor, devminor }]);
  expect(differences(await disk(8, 1), await disk(8, 1))).toEqual([]);
  expect(differences(await disk(8, 1), await disk(8, 2))).toEqual([
    "disk: device 8:1 in the first, 8:2 in the second",
  ]);
});

it("names every path that differs, in order, and says nothing of the order then", async () => {
  const first = await of([{ name: "b" }, { name: "a" }]);
  const second = await of([{ name: "c" }, { name: "a", mode: 0o600 }]);
  expect(differences(first, second)).toEqual([
    "a: mode 644 in the first, 600 in the second",
    "b is only in the first",
    "c is only in the second",
  ]);
  expect(differences(await of([{ name: "b" }]), await of([{ name: "a" }]))).toEqual([
    "a is only in the second",
    "b is only in the first",
  ]);
});
