import { describe, expect, it } from "vitest";
import { indexOf, type TestEntry, tarOf } from "../support/tar.ts";

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
          pax: { "SCHILY.xattr.security.capability": "\x01\x00" },
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

  const file = { name: "file", body: "x" };
  it.each<[string, TestEntry[], string]>([
    ["climbs out", [{ name: "a/../../etc/passwd" }], 'tar entry "a/../../etc/passwd" would leave the root'],
    ["is absolute", [{ name: "/etc/passwd" }], 'tar entry "/etc/passwd" would leave the root'],
    ["comes twice", [file, file], 'tar entry "file" comes twice'],
    [
      "comes twice under another spelling",
      [file, { ...file, name: "./file" }],
      'tar entry "file" comes twice',
    ],
    [
      "lies below a symlink",
      [{ name: "l", type: "symlink", linkname: "/etc" }, { name: "l/passwd" }],
      'tar entry "l/passwd" comes before its directory, or below something that is none (l)',
    ],
    ["comes before its directory", [{ name: "d/file" }], 'tar entry "d/file" comes before its directory'],
    [
      "is a hard link to outside",
      [{ name: "h", type: "link", linkname: "../../etc/shadow" }],
      "would leave the root",
    ],
    [
      "is a hard link to a file never seen",
      [{ name: "h", type: "link", linkname: "ghost" }],
      'tar entry "h" is a hard link to "ghost", which is no file that came before it',
    ],
    [
      "is a hard link to a directory",
      [{ name: "d/" }, { name: "h", type: "link", linkname: "d" }],
      'tar entry "h" is a hard link to "d"',
    ],
    [
      "has an attribute that is not text",
      [{ ...file, pax: { "SCHILY.xattr.security.capability": "\ufffd" } }],
      "security.capability that cannot be carried over",
    ],
  ])("with an entry that %s is refused by that entry's name", async (_, entries, message) => {
    await expect(indexOf(await tarOf(entries))).rejects.toThrow(message);
  });

  it("whose owner fits no header is refused", async () => {
    const tar = await tarOf([{ ...file, uid: 0o777777 }]);
    // Base-256, as GNU tar writes larger numbers; the checksum is made right again.
    tar.fill(0, 108, 116);
    tar[108] = 0x80;
    tar.writeUInt32BE(3_000_000, 112);
    tar.fill(" ", 148, 156);
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    await expect(indexOf(tar)).rejects.toThrow('tar entry "file" has owner 3000000:0');
  });

  it("that ends too early, or is no tar at all, is refused", async () => {
    const tar = await tarOf([{ name: "file", body: "x".repeat(4096) }]);
    await expect(indexOf(tar.subarray(0, 2000))).rejects.toThrow("cannot be read");
    await expect(indexOf(Buffer.alloc(2048, "no tar"))).rejects.toThrow("cannot be read");
  });
});
