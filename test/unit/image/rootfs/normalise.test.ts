import { mkdtempSync, rmSync } from "node:fs";
import { open, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { normalise, order, toTar } from "../../../../pipeline/image/rootfs/normalise.ts";
import { EPOCH, indexOf, normalised, type TestEntry, tarBytes, tarOf } from "../../../support/tar.ts";

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
  it("is sorted, with all directories before all files", async () => {
    expect(await pathsOf(tree)).toEqual(["bin", "etc", "bin/tool", "etc/alpha", "etc/zeta"]);
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

  it("keeps links, devices, long names and names that are not ASCII", async () => {
    const long = `${"directory/".repeat(30)}`.slice(0, -1);
    const parts = long.split("/");
    const entries: TestEntry[] = [
      ...parts.map((_, depth) => ({ name: `${parts.slice(0, depth + 1).join("/")}/` })),
      { name: `${long}/naïve-日本語`, body: "text" },
      { name: `${long}/link`, type: "symlink", linkname: `/${long}/naïve-日本語` },
      { name: "null", type: "character-device", devmajor: 1, devminor: 3 },
      { name: "disk", type: "block-device", devmajor: 254, devminor: 0 },
      { name: "pipe", type: "fifo" },
    ];
    const result = new Map((await through(entries)).map((entry) => [entry.path, entry]));
    expect(result.size).toBe(entries.length);
    expect(result.get(`${long}/naïve-日本語`)?.content?.size).toBe(4);
    expect(result.get(`${long}/link`)).toMatchObject({ type: "symlink", target: `/${long}/naïve-日本語` });
    expect(result.get("null")).toMatchObject({ type: "character-device", device: { major: 1, minor: 3 } });
    expect(result.get("disk")).toMatchObject({ type: "block-device", device: { major: 254, minor: 0 } });
    expect(result.get("pipe")?.type).toBe("fifo");
  });

  it("has the bytes of a file with several names under the one that the base has", async () => {
    const linked: TestEntry[] = [
      { name: "a", body: "bytes" },
      { name: "b", type: "link", linkname: "a" },
    ];
    const bytes = await normalised(spool, linked, tarBytes, ["b"]);
    const [first, second] = [...(await indexOf(bytes)).values()];
    expect([first?.path, second?.path]).toEqual(["b", "a"]);
    expect(second?.content).toBe(first?.content);
    const { offset, size } = first!.content!;
    expect(bytes.toString("utf8", offset, offset + size)).toBe("bytes");
  });

  it("writes a file anew without touching what was another name of it", async () => {
    const linked: TestEntry[] = [
      { name: "etc/" },
      { name: "etc/hostname", body: "builder\n" },
      { name: "etc/other", type: "link", linkname: "etc/hostname" },
    ];
    expect(await reading(linked, "etc/hostname")).toBe("smolvm\n");
    expect(await reading(linked, "etc/other")).toBe("builder\n");
  });

  it("has the same bytes when it is normalised a second time", async () => {
    const bytes = await normalised(spool, tree, tarBytes);
    const index = await indexOf(bytes);
    await writeFile(spool, bytes);
    await using file = await open(spool);
    const again = await normalise(index, file, { baseOrder: [], epoch: EPOCH });
    expect((await tarBytes(again)).equals(bytes)).toBe(true);
  });

  it("has the same bytes whatever order the tar had", async () => {
    // A file with three names: whichever comes first has the bytes.
    const names = ["opt/nested/three", "etc/two", "one"];
    const orderOf = (files: readonly string[], directories: readonly string[]): TestEntry[] => {
      const [carrier] = files.filter((name) => names.includes(name));
      const file = (name: string): TestEntry =>
        names.includes(name) && name !== carrier
          ? { name, type: "link", linkname: carrier! }
          : { name, body: names.includes(name) ? "shared" : `only in ${name}` };
      return [...directories.map((name) => ({ name })), { name: "opt/nested/" }, ...files.map(file)];
    };
    const directories = ["etc/", "opt/", "bin/"];
    const files = ["opt/nested/own", "etc/zeta", "etc/alpha", "bin/tool", "opt-sibling", ...names];
    const bytes = await normalised(spool, orderOf(files, directories), tarBytes);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(files, { minLength: files.length }),
        fc.shuffledSubarray(directories, { minLength: directories.length }),
        async (...order) => {
          expect((await normalised(spool, orderOf(...order), tarBytes)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("has in its tar what was written anew, and not what it was", async () => {
    const entries = [{ name: "etc/" }, { name: "etc/hostname", body: "builder-of-images\n" }];
    const bytes = await normalised(spool, entries, tarBytes);
    const { offset, size } = (await indexOf(bytes)).get("etc/hostname")!.content!;
    expect(bytes.toString("utf8", offset, offset + size)).toBe("smolvm\n");
    expect(bytes.includes("builder-of-images")).toBe(false);
  });

  it("names each path once, also where its directory is asked for late", async () => {
    const index = await indexOf(await tarOf([...tree, { name: "etc/deep/" }, { name: "etc/deep/x" }]));
    const paths = order(index, ["etc/deep/x", "etc/zeta", "etc"]).map(({ path }) => path);
    expect(paths).toEqual(["etc", "etc/deep", "etc/deep/x", "etc/zeta", "bin", "bin/tool", "etc/alpha"]);
  });

  it("leaves a link alone where a file would be written anew", async () => {
    const entries: TestEntry[] = [
      { name: "etc/" },
      { name: "etc/hostname", type: "symlink", linkname: "../run/hostname" },
    ];
    expect((await through(entries)).at(-1)).toMatchObject({ type: "symlink", target: "../run/hostname" });
  });

  it("keeps the passwords that were asked for", async () => {
    const shadow = { name: "etc/shadow", body: "root:$6$a:1::::::\nagent:$6$b:1::::::\n" };
    const tar = await tarOf([{ name: "etc/" }, shadow]);
    await writeFile(spool, tar);
    await using file = await open(spool);
    const options = { baseOrder: [], epoch: EPOCH, passwords: ["agent"] };
    const rootfs = await normalise(await indexOf(tar), file, options);
    expect(await rootfs.read("etc/shadow")).toMatch(/^root:\*:.*\nagent:\$6\$b:/);
  });

  it("has each byte of a large file, a MiB at a time, and tells of each that passes", async () => {
    const body = Buffer.alloc((2 << 20) + 5, "0123456789abcdefghijklmnopqrstuvwxyz");
    const seen: { path: string; size: number }[] = [];
    const bytes = await normalised(
      spool,
      [
        { name: "large", body },
        { name: "small", body: "x" },
      ],
      (rootfs) => buffer(toTar(rootfs, ({ path }, { length }) => seen.push({ path, size: length }))),
    );
    const { offset, size } = (await indexOf(bytes)).get("large")!.content!;
    expect(bytes.subarray(offset, offset + size).equals(body)).toBe(true);
    expect(seen).toEqual([
      ...[1 << 20, 1 << 20, 5].map((length) => ({ path: "large", size: length })),
      { path: "small", size: 1 },
    ]);
  });

  it("is read in parts, as it will be in the image", async () => {
    const entries = [
      ...[{ name: "etc/" }, { name: "etc/hostname", body: "a long name of the builder\n" }],
      { name: "file", body: "0123456789" },
    ];
    await normalised(spool, entries, async (rootfs) => {
      const entry = (path: string) => rootfs.entries.find((each) => each.path === path)!;
      const part = async (path: string, ...range: [number, number]) =>
        (await rootfs.readAt(entry(path))(...range)).toString();
      expect([await part("file", 2, 3), await part("file", 8, 100), await part("file", 99, 1)]).toEqual([
        ...["234", "89", ""],
      ]);
      expect([await part("etc/hostname", 0, 4), await part("etc/hostname", 5, 100)]).toEqual(["smol", "m\n"]);
      expect(["file", "etc/hostname", "etc"].map((path) => rootfs.sizeOf(entry(path)))).toEqual([10, 7, 0]);
      expect(await rootfs.read("etc")).toBeUndefined();
      expect(await rootfs.read("nowhere")).toBeUndefined();
      for await (const chunk of rootfs.chunks(entry("etc"))) expect.unreachable(String(chunk));
    });
  });

  it("cannot be had from a spool that has lost its end", async () => {
    await normalised(spool, [{ name: "file", body: "x".repeat(4096) }], async (rootfs) => {
      await truncate(spool, 1024);
      await expect(rootfs.read("file")).rejects.toThrow("the spooled tar is shorter than its index says");
      await expect(tarBytes(rootfs)).rejects.toThrow("the spooled tar is shorter");
    });
  });
});
