import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { foreignPrebuilts, readerOf, whyNotLoadable } from "../../../../pipeline/image/rootfs/binaries.ts";
import type { Elf } from "../../../../pipeline/image/rootfs/elf.ts";
import { FileTree } from "../../../../pipeline/image/rootfs/file-tree.ts";
import type { Entry } from "../../../../pipeline/image/rootfs/tar-index.ts";
import { elfFile } from "../../../support/elf.ts";
import { tempDirectory } from "../../../support/run.ts";
import { indexOf, type TestEntry, tarOf } from "../../../support/tar.ts";

const MODULES = "opt/agent/node_modules/native";
const glibc = elfFile({ needed: ["libc.so.6"] });
const musl = elfFile({ needed: ["libc.musl-x86_64.so.1"] });
const ANY = Buffer.alloc(64);

const FILES: Record<string, Buffer> = {
  "prebuilds/linux-x64/native.glibc.node": glibc,
  "prebuilds/linux-x64/native.musl.node": musl,
  "prebuilds/linux-arm64/native.node": elfFile({ machine: 183, needed: ["libc.so.6"] }),
  "prebuilds/darwin-arm64/native.node": Buffer.concat([Buffer.from("cffaedfe", "hex"), ANY]),
  "prebuilds/win32-x64/native.node": Buffer.concat([Buffer.from("MZ"), ANY]),
  "bin/helper": elfFile({}),
  "README.exe.md": Buffer.concat([Buffer.from("MZ"), ANY]),
  "index.js": ANY,
};

/** What is left out of a package with these files on a root file system that has this libc. */
async function leftOut(libc: string, files = FILES, mode = 0o755): Promise<string[]> {
  const directories = [
    ...new Set([
      "opt/agent/node_modules",
      ...Object.keys(files).map((file) => `${MODULES}/${file}`.replace(/\/[^/]+$/, "")),
    ]),
  ];
  const parents = new Set(
    directories.flatMap((path) =>
      path.split("/").map((_, depth, parts) => `${parts.slice(0, depth + 1).join("/")}/`),
    ),
  );
  const entries: TestEntry[] = [
    ...[{ name: "lib/" }, { name: `lib/${libc}` }],
    ...[...parents].sort().map((name) => ({ name })),
    ...Object.entries(files).map(([name, body]) => ({ name: `${MODULES}/${name}`, body, mode })),
    // Not the package's: the audit decides about it.
    { name: "opt/tool", body: elfFile({ machine: 183 }), mode: 0o755 },
  ];
  const tar = await tarOf(entries);
  const path = join(tempDirectory(), "spool.tar");
  await writeFile(path, tar);
  const spool = await open(path);
  try {
    const foreign = await foreignPrebuilts(await indexOf(tar), spool, "amd64");
    return [...foreign].map((each) => each.slice(MODULES.length + 1)).sort();
  } finally {
    await spool.close();
  }
}

const OTHERS = ["prebuilds/darwin-arm64/native.node", "prebuilds/linux-arm64/native.node"];

it("leaves out of a package what is built for another system, arch or libc", async () => {
  expect(await leftOut("libc.so.6")).toEqual([
    ...OTHERS,
    "prebuilds/linux-x64/native.musl.node",
    "prebuilds/win32-x64/native.node",
  ]);
  expect(await leftOut("libc.musl-x86_64.so.1")).toEqual([
    ...OTHERS,
    "prebuilds/linux-x64/native.glibc.node",
    "prebuilds/win32-x64/native.node",
  ]);
});

const magic = (hex: string, size = 64) => {
  const file = Buffer.alloc(size);
  file.write(hex, "hex");
  return file;
};

it("knows a library by its name, executable or not, and leaves data alone", async () => {
  const arm = elfFile({ machine: 183 });
  const names = ["a.so", "a.so.6", "a.node", "a.dylib", "a.dll", "a.exe"];
  const data = ["a.bin", "a.sort", "also", "a.nodes"];
  const files = Object.fromEntries([...names, ...data].map((name) => [name, arm]));
  expect(await leftOut("libc.so.6", files, 0o644)).toEqual(names.toSorted());
});

it.each([
  ["PE", "4d5a"],
  ["Mach-O, 64 bits", "cffaedfe"],
  ["Mach-O for several archs", "cafebabe"],
  ["Mach-O, 32 bits and big-endian", "feedface"],
  ["Mach-O, big-endian", "feedfacf"],
])("knows a program in the form of %s, where its name says that it is one", async (_, hex) => {
  const named = ["a.node", "a.dylib", "a.dll", "a.exe"];
  const files = Object.fromEntries([...named, "data", "a.exe.js"].map((name) => [name, magic(hex)]));
  expect(await leftOut("libc.so.6", files)).toEqual(named.toSorted());
  expect(await leftOut("libc.so.6", { "a.node": magic(`00${hex}`) })).toEqual([]);
  // Too small to be any program.
  expect(await leftOut("libc.so.6", { "a.node": magic(hex, 63) })).toEqual([]);
});

it("leaves alone what lies elsewhere than in a preset's packages", async () => {
  const tar = await tarOf([
    ...["usr/", "usr/opt/", "usr/opt/a/", "usr/opt/a/node_modules/"].map((name) => ({ name })),
    { name: "usr/opt/a/node_modules/x.node", body: elfFile({ machine: 183 }), mode: 0o755 },
  ]);
  const path = join(tempDirectory(), "spool.tar");
  await writeFile(path, tar);
  await using spool = await open(path);
  expect(await foreignPrebuilts(await indexOf(tar), spool, "amd64")).toEqual(new Set());
});

it("reads a file's own bytes out of a tar, and none of its neighbours'", async () => {
  const path = join(tempDirectory(), "spool");
  await writeFile(path, "before|0123456789|behind");
  await using spool = await open(path);
  const read = readerOf(spool, { offset: 7, size: 10 });
  const parts = [await read(0, 4), await read(6, 100), await read(10, 1), await read(50, 9)];
  expect(parts.map(String)).toEqual(["0123", "6789", "", ""]);
});

describe("a program can be loaded", () => {
  const common = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
  /** A file with the directories above it. */
  const entries = (path: string): Entry[] =>
    path.split("/").map((_, depth, parts) => ({
      ...{ ...common, path: parts.slice(0, depth + 1).join("/") },
      type: depth < parts.length - 1 ? "directory" : "file",
    }));
  const why = (elf: Partial<Elf>, ...paths: string[]) =>
    whyNotLoadable(
      { arch: "amd64", interpreter: undefined, needed: [], ...elf },
      "amd64",
      new FileTree(paths.flatMap(entries)),
    );

  it.each(["lib", "lib64", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"])(
    "by a libc in %s",
    (directory) => {
      expect(why({ needed: ["libm.so.6", "libc.so.6"] }, `${directory}/libc.so.6`)).toBeUndefined();
    },
  );

  it("by no libc that is elsewhere, and no other library is asked for", () => {
    expect(why({ needed: ["libc.so.6"] }, "opt/lib/libc.so.6", "libc.so.6")).toMatch(
      /^needs libc\.so\.6, which/,
    );
    expect(why({ needed: ["libm.so.6", "libnotlibc.so.1"] })).toBeUndefined();
  });

  it("only by the interpreter that it names, whatever that is", () => {
    expect(why({ interpreter: "/opt/own/loader" }, "opt/own/loader")).toBeUndefined();
    expect(why({ interpreter: "/opt/own/loader" })).toBe(
      "needs /opt/own/loader, which the image does not have",
    );
  });
});
