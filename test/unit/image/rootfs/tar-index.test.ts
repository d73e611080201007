import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { indexTar } from "../../../../pipeline/image/rootfs/tar-index.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { tempDirectory } from "../../../support/run.ts";
import { indexOf, resealed, type TestEntry, tarOf, tarWithPax } from "../../../support/tar.ts";

const CAPABILITY = "SCHILY.xattr.security.capability";

describe("a root file system's tar", () => {
  it("is listed with all that an image keeps", async () => {
    const long = `usr/${"directory".repeat(20)}/${"näme".repeat(20)}`;
    const index = await indexOf(
      await tarOf([
        { name: "./" },
        { name: "./usr/", mode: 0o755 },
        { name: `${long.split("/").slice(0, 2).join("/")}/` },
        {
          name: long,
          body: "text",
          uid: 7,
          gid: 8,
          mode: 0o4755,
          pax: { [CAPABILITY]: "\x01\x00" },
        },
        { name: "usr/again", type: "link", linkname: `./${long}` },
        { name: "usr/link", type: "symlink", linkname: "../../anywhere" },
        { name: "usr/device", type: "character-device", devmajor: 1, devminor: 3 },
        { name: "usr/fifo", type: "fifo" },
      ]),
    );
    expect([...index.keys()]).toEqual([
      "usr",
      long.split("/").slice(0, 2).join("/"),
      long,
      "usr/again",
      "usr/link",
      "usr/device",
      "usr/fifo",
    ]);
    expect(index.get(long)).toMatchObject({
      uid: 7,
      gid: 8,
      mode: 0o4755,
      capability: "\x01\x00",
      content: { size: 4 },
    });
    // A hard link is the same file under another name.
    expect(index.get("usr/again")?.content).toBe(index.get(long)?.content);
    expect(index.get("usr/link")?.target).toBe("../../anywhere");
    expect(index.get("usr/device")?.device).toEqual({ major: 1, minor: 3 });
  });

  it("says of each entry what an image keeps, and nothing else", async () => {
    const index = await indexOf(
      await tarOf([
        { name: "./etc//", mode: 0o755, mtime: new Date(1500) },
        { name: "./etc/./file", body: "text", mode: 0o640, uid: 1, gid: 2, mtime: new Date(2000) },
        { name: "etc/again", type: "link", linkname: "./etc//file", mode: 0o777, uid: 9 },
        { name: "etc/link", type: "symlink", linkname: "file", mode: 0o777 },
        { name: "disk", type: "block-device", devmajor: 8, devminor: 1 },
        { name: "pipe", type: "fifo" },
        { name: "etc/a..b", type: "contiguous-file" },
      ]),
    );
    const owner = { uid: 0, gid: 0, mtime: 0 };
    const file = { type: "file", mode: 0o640, uid: 1, gid: 2, mtime: 2 } as const;
    expect([...index.values()]).toEqual([
      { ...owner, path: "etc", type: "directory", mode: 0o755, mtime: 1 },
      { ...file, path: "etc/file", content: { offset: 2 * 512, size: 4 } },
      // All that it says of itself is the first name's.
      { ...file, path: "etc/again", content: { offset: 2 * 512, size: 4 } },
      { ...owner, path: "etc/link", type: "symlink", mode: 0o777, target: "file" },
      { ...owner, path: "disk", type: "block-device", mode: 0o644, device: { major: 8, minor: 1 } },
      { ...owner, path: "pipe", type: "fifo", mode: 0o644 },
      {
        ...{ ...owner, path: "etc/a..b", type: "file", mode: 0o644 },
        content: { offset: expect.any(Number), size: 0 },
      },
    ]);
  });

  it("may name owners up to the largest that a header holds, in a header or beside it", async () => {
    const largest = 0o777777;
    const [one, other] = await Promise.all([
      tarOf([{ name: "x", uid: largest, gid: largest }]),
      tarOf([{ name: "x", pax: { uid: String(largest), gid: "7" } }]),
    ]);
    expect((await indexOf(one)).get("x")).toMatchObject({ uid: largest, gid: largest });
    expect((await indexOf(other)).get("x")).toMatchObject({ uid: largest, gid: 7 });
    for (const uid of [String(largest + 1), "1.5"]) {
      await expect(indexOf(await tarOf([{ name: "x", pax: { uid } }]))).rejects.toThrow(
        'tar entry "x" has owner',
      );
    }
  });

  it("is read no further when the work is interrupted, and the reason is that", async () => {
    const path = join(tempDirectory(), "tar");
    await writeFile(path, await tarOf([{ name: "x" }]));
    await using tar = await open(path);
    const reason = new Error("interrupted");
    await expect(indexTar(tar, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  const file = { name: "file", body: "x" };
  it.each<[string, TestEntry[], string]>([
    ["climbs out", [{ name: "a/../../etc/passwd" }], 'tar entry "a/../../etc/passwd" is outside the root'],
    ["is absolute", [{ name: "/etc/passwd" }], 'tar entry "/etc/passwd" is outside the root'],
    ["comes twice", [file, file], 'tar entry "file" is in the tar twice'],
    [
      "comes twice under another spelling",
      [file, { ...file, name: "./file" }],
      'tar entry "file" is in the tar twice',
    ],
    [
      "lies below a symlink",
      [{ name: "l", type: "symlink", linkname: "/etc" }, { name: "l/passwd" }],
      'tar entry "l/passwd" comes before its directory, or is below a path that is not a directory (l)',
    ],
    ["comes before its directory", [{ name: "d/file" }], 'tar entry "d/file" comes before its directory'],
    [
      "is a hard link to outside",
      [{ name: "h", type: "link", linkname: "../../etc/shadow" }],
      'tar entry "h" is a hard link to "../../etc/shadow"',
    ],
    [
      "is a hard link to a file never seen",
      [{ name: "h", type: "link", linkname: "ghost" }],
      'tar entry "h" is a hard link to "ghost", which is not an earlier file of the tar',
    ],
    [
      "is a hard link to a directory",
      [{ name: "d/" }, { name: "h", type: "link", linkname: "d" }],
      'tar entry "h" is a hard link to "d"',
    ],
    [
      "is a hard link to a symlink",
      [
        { name: "l", type: "symlink", linkname: "/etc/shadow" },
        { name: "h", type: "link", linkname: "l" },
      ],
      'tar entry "h" is a hard link to "l"',
    ],
    [
      "is a hard link to itself",
      [{ name: "h", type: "link", linkname: "h" }],
      'tar entry "h" is a hard link to "h"',
    ],
    [
      "is a hard link to an absolute path",
      [{ name: "etc/" }, { name: "etc/shadow" }, { name: "h", type: "link", linkname: "/etc/shadow" }],
      'tar entry "h" is a hard link to "/etc/shadow"',
    ],
    ["is above the root", [{ name: ".." }], 'tar entry ".." is outside the root'],
    [
      "lies below a directory that never came",
      [{ name: "a/" }, { name: "a/b/c" }],
      'tar entry "a/b/c" comes before its directory, or is below a path that is not a directory (a/b)',
    ],
    ["lies below a file", [file, { name: "file/x" }], 'tar entry "file/x" comes before its directory'],
  ])("with an entry that %s is refused by that entry's name", async (_, entries, message) => {
    const error = await indexOf(await tarOf(entries)).catch((reason) => reason);
    expect(error).toBeInstanceOf(PipelineError);
    expect(error.message).toContain(message);
  });

  it("whose owner fits no header is refused", async () => {
    const tar = await tarOf([{ ...file, uid: 0o777777 }]);
    // Base-256, as GNU tar writes larger numbers.
    tar.fill(0, 108, 116);
    tar[108] = 0x80;
    tar.writeUInt32BE(3_000_000, 112);
    await expect(indexOf(resealed(tar))).rejects.toThrow('tar entry "file" has owner 3000000:0');
  });

  it.each(["-5", "nobody"])(
    "whose owner is %s, which is no number of an account, is refused",
    async (uid) => {
      await expect(indexOf(await tarOf([{ ...file, pax: { uid } }]))).rejects.toThrow(
        'tar entry "file" has owner',
      );
    },
  );

  it.each(["uid", "gid"])(
    "whose owner is in a pax record is refused, and not taken for root's (%s)",
    async (id) => {
      const entries = [{ ...file, pax: { [id]: "3000000" } }];
      await expect(indexOf(await tarOf(entries))).rejects.toThrow(/tar entry "file" has owner .*3000000/);
    },
  );

  it("with an entry of a type that no file system has is refused by that entry's name", async () => {
    const tar = await tarOf([file]);
    // GNU tar's sparse file.
    tar.write("S", 156);
    await expect(indexOf(resealed(tar))).rejects.toThrow(
      /tar entry "file" has a type \(\w+\) that is not allowed/,
    );
  });

  it("with a name that is not UTF-8 is refused", async () => {
    const tar = await tarWithPax("plain", "path", Buffer.from("caf\xe9", "latin1"));
    await expect(indexOf(tar)).rejects.toThrow('tar entry "caf\ufffd" has a name that is not UTF-8');
  });

  it("keeps a capability as the kernel wrote it, and is refused where its bytes would be lost", async () => {
    // vfs_cap_data, version 2: cap_net_raw is bit 13; cap_setfcap is bit 31, and no UTF-8.
    const [kept, lost] = [
      [1, 0, 0, 2, 0, 0x20, 0, 0],
      [1, 0, 0, 2, 0, 0, 0, 0x80],
    ].map((bytes) => Buffer.from([...bytes, ...Array<number>(12).fill(0)]));
    const index = await indexOf(await tarWithPax("ping", CAPABILITY, kept!));
    expect(Buffer.from(index.get("ping")?.capability ?? "")).toEqual(kept);
    await expect(indexOf(await tarWithPax("tool", CAPABILITY, lost!))).rejects.toThrow(
      'tar entry "tool" has a security.capability that cannot be copied into an image',
    );
  });

  it("with nothing in it is refused", async () => {
    await expect(indexOf(Buffer.alloc(1024))).rejects.toThrow("the root file system's tar is empty");
  });

  it("that ends too early, or is no tar at all, is refused", async () => {
    const tar = await tarOf([{ name: "file", body: "x".repeat(4096) }]);
    const cut = await indexOf(tar.subarray(0, 2000)).catch((reason: Error) => reason);
    expect(cut).toBeInstanceOf(PipelineError);
    expect((cut as Error).message).toMatch(/^the root file system's tar cannot be read: \S/);
    expect((cut as Error).cause).toBeInstanceOf(Error);
    await expect(indexOf(Buffer.alloc(2048, "no tar"))).rejects.toThrow("cannot be read");
  });
});
