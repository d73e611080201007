import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toCpio } from "../../../../pipeline/image/formats/cpio.ts";
import type { Rootfs } from "../../../../pipeline/image/rootfs/normalise.ts";
import { EPOCH, normalised, type TestEntry } from "../../../support/tar.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-cpio-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const archiveOf = (entries: readonly TestEntry[]): Promise<Buffer> =>
  normalised(join(directory, "spool.tar"), entries, (rootfs) => buffer(toCpio(rootfs)));

/** Runs GNU cpio with an archive as its input. */
function cpio(archive: Buffer, cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("cpio", ["--quiet", ...args], {
    ...{ cwd, input: archive, encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" } },
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

interface Header {
  readonly name: string;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly mtime: number;
  readonly content: string;
  readonly rdev: string;
}

/** Reads an archive as the kernel's unpacker does (init/initramfs.c). */
function read(archive: Buffer): Header[] {
  const all: Header[] = [];
  const aligned = (at: number) => Math.ceil(at / 4) * 4;
  for (let at = 0; ; ) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (n: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + 8 * n, at + 14 + 8 * n), 16);
    const [size, length] = [field(6), field(11)];
    const name = archive.toString("utf8", at + 110, at + 110 + length - 1);
    expect(archive[at + 110 + length - 1]).toBe(0);
    const body = aligned(at + 110 + length);
    if (name === "TRAILER!!!") {
      expect(archive.length % 512).toBe(0);
      expect(archive.subarray(body).every((byte) => byte === 0)).toBe(true);
      return all;
    }
    const content = archive.toString("utf8", body, body + size);
    all.push({
      ...{ name, content, ino: field(0), mode: field(1), uid: field(2), gid: field(3), links: field(4) },
      ...{ mtime: field(5), rdev: `${field(9)}:${field(10)}` },
    });
    at = aligned(body + size);
  }
}

const tree: TestEntry[] = [
  { name: "bin/", mode: 0o755 },
  { name: "bin/busybox", body: "program", mode: 0o4755, uid: 3, gid: 4 },
  { name: "bin/ls", type: "link", linkname: "bin/busybox" },
  { name: "bin/sh", type: "symlink", linkname: "busybox", mode: 0o777 },
  { name: "dev/", mode: 0o755 },
  { name: "empty", body: "" },
  { name: "grüße", body: "odd length" },
];

describe("a cpio archive", () => {
  it("is one that GNU cpio lists, with owners, modes, links and times", async () => {
    const listed = cpio(await archiveOf(tree), directory, "-tvn");
    expect(
      listed
        .trim()
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual([
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 bin",
      "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
      "-rwsr-xr-x 2 3 4 0 Jan 1 1970 bin/busybox",
      "-rwsr-xr-x 2 3 4 7 Jan 1 1970 bin/ls",
      "lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin/sh -> busybox",
      "-rw-r--r-- 1 0 0 0 Jan 1 1970 empty",
      "-rw-r--r-- 1 0 0 10 Jan 1 1970 grüße",
    ]);
  });

  it("is unpacked by GNU cpio with the contents, and one file for hard links", async () => {
    const target = join(directory, "unpacked");
    mkdirSync(target);
    cpio(await archiveOf(tree), target, "-idm", "--no-preserve-owner");
    expect(readFileSync(join(target, "bin/busybox"), "utf8")).toBe("program");
    expect(statSync(join(target, "bin/ls")).ino).toBe(statSync(join(target, "bin/busybox")).ino);
    expect(readFileSync(join(target, "grüße"), "utf8")).toBe("odd length");
    expect(statSync(join(target, "empty")).size).toBe(0);
  });

  it("has devices and pipes", async () => {
    const entries: TestEntry[] = [
      { name: "console", type: "character-device", devmajor: 5, devminor: 1, mode: 0o600 },
      { name: "disk", type: "block-device", devmajor: 254, devminor: 3, mode: 0o660 },
      { name: "pipe", type: "fifo", mode: 0o644 },
    ];
    expect(
      read(await archiveOf(entries)).map(({ name, mode, rdev }) => [name, mode.toString(8), rdev]),
    ).toEqual([
      ["console", "20600", "5:1"],
      ["disk", "60660", "254:3"],
      ["pipe", "10644", "0:0"],
    ]);
  });

  it("has no time after the epoch", async () => {
    const later = [{ name: "file", body: "x", mtime: new Date((EPOCH + 1000) * 1000) }];
    expect(read(await archiveOf(later))[0]!.mtime).toBe(EPOCH);
  });

  it("has the same bytes for every order of the input", async () => {
    const file = fc.record({
      name: fc.stringMatching(/^[a-zé]{1,9}$/),
      body: fc.string({ maxLength: 9 }),
      mode: fc.constantFrom(0o600, 0o644, 0o755),
      uid: fc.nat(99),
    });
    const files = fc.uniqueArray(file, { selector: ({ name }) => name, minLength: 1, maxLength: 6 });
    const both = files.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    await fc.assert(
      fc.asyncProperty(both, async ([all, shuffled]) => {
        const archive = await archiveOf(all);
        expect(archive.equals(await archiveOf(shuffled))).toBe(true);
        const found = read(archive);
        const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
        expect(
          found.map(({ name, content, mode, uid }) => ({ name, body: content, mode: mode & 0o7777, uid })),
        ).toEqual(sorted);
        expect(found.map(({ ino }) => ino)).toEqual(found.map((_, index) => index + 1));
      }),
      { numRuns: 50 },
    );
  });

  it("has the content of a file at the last of its hard links, however many there are", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.string({ minLength: 1, maxLength: 9 }),
        async (count, body) => {
          const names = [..."bcdef"].slice(0, count);
          const links = names.map((name): TestEntry => ({ name, type: "link", linkname: "a" }));
          const found = read(await archiveOf([{ name: "a", body }, ...links, { name: "z", body: "own" }]));
          const linked = found.slice(0, -1);
          expect(new Set(linked.map(({ ino }) => ino)).size).toBe(1);
          expect(linked.map(({ links }) => links)).toEqual(linked.map(() => count + 1));
          expect(linked.map(({ content }) => content)).toEqual([...names.map(() => ""), body]);
          expect(found.at(-1)!.ino).not.toBe(linked[0]!.ino);
        },
      ),
      { numRuns: 20 },
    );
  });

  const file = (path: string, size: number): Rootfs => ({
    entries: [{ path, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0, content: { offset: 0, size } }],
    read: async () => undefined,
    readAt: () => async () => Buffer.alloc(0),
    async *chunks() {},
    sizeOf: () => size,
  });

  it("refuses what the kernel would not unpack: a file of 4 GiB, and a path that is too long", async () => {
    await expect(buffer(toCpio(file("big", 2 ** 32)))).rejects.toThrow("big has 4294967296 bytes");
    await expect(buffer(toCpio(file("x".repeat(4096), 0)))).rejects.toThrow("has more than 4095 bytes");
    expect(read(await buffer(toCpio(file("x".repeat(4095), 0))))[0]!.name).toHaveLength(4095);
  });
});
