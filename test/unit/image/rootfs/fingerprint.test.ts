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
    /^etc\/config: content [0-9a-f]{16} and then [0-9a-f]{16}$/,
  ],
  ["mode", changed("etc/config", { mode: 0o600 }), /^etc\/config: mode 644 and then 600$/],
  ["owner", changed("etc/config", { uid: 1000 }), /^etc\/config: owner 0:0 and then 1000:0$/],
  [
    "time",
    changed("etc/config", { mtime: new Date(1000) }),
    /^etc\/config: time 1970-01-01T00:00:00\.000Z and then 1970-01-01T00:00:01/,
  ],
  [
    "target",
    changed("etc/link", { linkname: "/etc/config" }),
    /^etc\/link: target config and then \/etc\/config$/,
  ],
  ["group", changed("etc/config", { gid: 7 }), /^etc\/config: owner 0:0 and then 0:7$/],
  [
    "capability",
    changed("etc/config", { pax: { "SCHILY.xattr.security.capability": "xy" } }),
    /^etc\/config: capability {2}and then xy$/,
  ],
  [
    "mode and owner",
    changed("etc/config", { mode: 0o600, uid: 7 }),
    /^etc\/config: mode 644 and then 600, owner 0:0 and then 7:0$/,
  ],
  ["type", changed("etc/link", { type: "file" }), /^etc\/link: type symlink and then file, /],
  ["one path more", [...ROOT, { name: "etc/when" }], /^etc\/when is in the second alone$/],
  ["one path less", ROOT.slice(0, 2), /^etc\/link is in the first alone$/],
])("names the path and its %s", async (_, second, difference) => {
  expect(differences(await of(ROOT), await of(second))).toEqual([expect.stringMatching(difference)]);
});

it("names where the order differs, when nothing else does", async () => {
  const first = await of(ROOT);
  const second = new Map([...first].toReversed());
  expect(differences(first, second)).toEqual(["the order differs from etc on"]);
});

it("tells devices apart by their numbers", async () => {
  const disk = (devmajor: number, devminor: number) =>
    of([{ name: "disk", type: "block-device", devmajor, devminor }]);
  expect(differences(await disk(8, 1), await disk(8, 1))).toEqual([]);
  expect(differences(await disk(8, 1), await disk(8, 2))).toEqual(["disk: device 8:1 and then 8:2"]);
});

it("names every path that differs, in order, and says nothing of the order then", async () => {
  const first = await of([{ name: "b" }, { name: "a" }]);
  const second = await of([{ name: "c" }, { name: "a", mode: 0o600 }]);
  expect(differences(first, second)).toEqual([
    "a: mode 644 and then 600",
    "b is in the first alone",
    "c is in the second alone",
  ]);
  expect(differences(await of([{ name: "b" }]), await of([{ name: "a" }]))).toEqual([
    "a is in the second alone",
    "b is in the first alone",
  ]);
});
