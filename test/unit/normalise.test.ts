import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toTar } from "../../pipeline/build/normalise.ts";
import { EPOCH, indexOf, normalised, type TestEntry, tarBytes } from "../support/tar.ts";

let directory: string;
let spool: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-normalise-"));
  spool = join(directory, "spool.tar");
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The tar that leaves, listed again; and what `read` finds in it. */
const through = (entries: readonly TestEntry[], baseOrder: readonly string[] = []) =>
  normalised(
    spool,
    entries,
    async (rootfs) => [...(await indexOf(await tarBytes(rootfs))).values()],
    baseOrder,
  );
const pathsOf = async (entries: readonly TestEntry[], baseOrder?: readonly string[]) =>
  (await through(entries, baseOrder)).map(({ path }) => path);
const reading = (entries: readonly TestEntry[], path: string) =>
  normalised(spool, entries, (rootfs) => rootfs.read(path));

const tree: TestEntry[] = [
  { name: "etc/" },
  { name: "etc/zeta", body: "z" },
  { name: "etc/alpha", body: "a" },
  { name: "bin/", mode: 0o755 },
  { name: "bin/tool", body: "#!", mode: 0o4755, uid: 3, gid: 4 },
];

describe("a normalised root file system", () => {
  it("is sorted, directories before what is in them", async () => {
    expect(await pathsOf(tree)).toEqual(["bin", "bin/tool", "etc", "etc/alpha", "etc/zeta"]);
  });

  it("begins with the base's paths in the base's order, then has its own, sorted", async () => {
    const base = ["etc", "etc/zeta", "gone", "bin"];
    expect(await pathsOf(tree, base)).toEqual(["etc", "etc/zeta", "bin", "bin/tool", "etc/alpha"]);
  });

  it("keeps a directory before its content even where the base's order does not have it", async () => {
    expect(await pathsOf(tree, ["etc/zeta"])).toEqual(["etc", "etc/zeta", "bin", "bin/tool", "etc/alpha"]);
  });

  it("keeps owners, modes and capabilities, and has nothing newer than the epoch", async () => {
    const capability = { "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 " };
    const dated = tree.map((entry, index) => ({
      ...entry,
      mtime: new Date((EPOCH - 1 + index) * 1000),
      pax: capability,
    }));
    const result = await through(dated);
    expect(result.find(({ path }) => path === "bin/tool")).toMatchObject({ mode: 0o4755, uid: 3, gid: 4 });
    expect(new Set(result.map((entry) => entry.capability))).toEqual(new Set(Object.values(capability)));
    expect(result.map(({ mtime }) => mtime).sort()).toEqual([EPOCH - 1, EPOCH, EPOCH, EPOCH, EPOCH]);
  });

  it("keeps a file that nobody may read as it is", async () => {
    const [, secret] = await through([{ name: "etc/" }, { name: "etc/secret", mode: 0, body: "x" }]);
    // tar-stream reads a mode of 0 and writes 0644 for it, unless it is told otherwise.
    expect(secret?.mode).toBe(0);
  });

  it("may be left half-way by whoever reads it, and says so in one error", async () => {
    const large = [{ name: "large", body: "x".repeat(8 << 20) }];
    await normalised(spool, large, async (rootfs) => {
      const tar = toTar(rootfs);
      await new Promise((resolve) => tar.once("readable", resolve));
      tar.destroy(new Error("mke2fs has ended"));
      await expect(finished(tar)).rejects.toThrow("mke2fs has ended");
    });
  });

  it("passes an error of whoever looks at its bytes on to whoever reads it", async () => {
    const failing = () => {
      throw new Error("no more");
    };
    await normalised(spool, tree, async (rootfs) => {
      await expect(buffer(toTar(rootfs, failing))).rejects.toThrow("no more");
    });
  });

  it("has a file with several names once, under the first name in its order", async () => {
    const linked: TestEntry[] = [
      { name: "tmp/" },
      { name: "tmp/original", body: "bytes" },
      { name: "b", type: "link", linkname: "tmp/original" },
      { name: "a", type: "link", linkname: "tmp/original" },
    ];
    const [first, second, ...more] = (await through(linked)).filter(({ type }) => type === "file");
    expect([first?.path, second?.path, more]).toEqual(["a", "b", []]);
    expect(second?.content).toBe(first?.content);
    expect(await reading(linked, "a")).toBe("bytes");
  });

  it("locks every account, and names no host but itself", async () => {
    const entries = [
      { name: "etc/" },
      { name: "etc/shadow", body: "root:$6$hash:20000:0:99999:7:::\nuser::20000::::::\n" },
      { name: "etc/hostname", body: "builder\n" },
      { name: "etc/hosts", body: "10.1.2.3 builder\n" },
    ];
    const day = Math.floor(EPOCH / 86_400);
    expect(await reading(entries, "etc/shadow")).toBe(`root:*:${day}:0:99999:7:::\nuser:*:${day}::::::\n`);
    expect(await reading(entries, "etc/hostname")).toBe("smolvm\n");
    expect(await reading(entries, "etc/hosts")).not.toContain("builder");
  });

  it("has the same bytes whatever order the tar had", async () => {
    // Directories first, so that every order of the rest is a valid tar.
    const directories = tree.filter(({ name }) => name.endsWith("/"));
    const files = tree.filter(({ name }) => !name.endsWith("/"));
    const bytes = await normalised(spool, [...directories, ...files], tarBytes);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(directories, { minLength: directories.length }),
        fc.shuffledSubarray(files, { minLength: files.length }),
        async (some, others) => {
          expect((await normalised(spool, [...some, ...others], tarBytes)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });
});
