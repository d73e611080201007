import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { extract, type Header } from "tar-stream";
import { describe, expect, it } from "vitest";
import { type TarHeader, tarHeaders } from "../../../../pipeline/image/rootfs/tar-headers.ts";
import { tempDirectory } from "../../../support/run.ts";
import { resealed, type TestEntry, tarOf, tarWithPax } from "../../../support/tar.ts";

async function headersIn(path: string): Promise<TarHeader[]> {
  await using file = await open(path);
  const all: TarHeader[] = [];
  for await (const header of tarHeaders(file)) all.push(header);
  return all;
}

async function headersOf(tar: Buffer): Promise<TarHeader[]> {
  const path = join(tempDirectory(), "tar");
  await writeFile(path, tar);
  return await headersIn(path);
}

const TYPES: Record<string, string> = {
  ...{
    file: "0",
    link: "1",
    symlink: "2",
    "character-device": "3",
    "block-device": "4",
    directory: "5",
    fifo: "6",
  },
};

/** What tar-stream says of the same tar. */
async function peerOf(tar: Buffer) {
  const all: unknown[] = [];
  const reader = extract();
  reader.on("entry", (header: Header & { byteOffset?: number }, stream, next) => {
    const { name, mode, uid, gid, size, mtime, linkname, devmajor, devminor } = header;
    all.push({
      ...{ name, mode, uid, gid, size, devmajor, devminor, offset: header.byteOffset },
      ...{ linkname: linkname ?? "", mtime: mtime!.getTime() / 1000, type: TYPES[header.type!] },
    });
    stream.on("end", next);
    stream.resume();
  });
  await pipeline(Readable.from([tar]), reader as unknown as NodeJS.WritableStream);
  return all;
}

const name = fc
  .array(
    fc.oneof(fc.stringMatching(/^[a-z0-9 .=\n'"-]{1,60}$/), fc.constantFrom("näme", "日本", "x".repeat(140))),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join("/"));
const id = fc.nat({ max: 0o777777 });
const entry: fc.Arbitrary<TestEntry> = fc.oneof(
  fc.record({
    name,
    type: fc.constant("file" as const),
    mode: fc.integer({ min: 1, max: 0o7777 }),
    ...{ uid: id, gid: id, mtime: fc.nat({ max: 2 ** 31 }).map((seconds) => new Date(seconds * 1000)) },
    body: fc.string({ maxLength: 2000 }),
  }),
  fc.record({ name: name.map((each) => `${each}/`), type: fc.constant("directory" as const), uid: id }),
  fc.record({ name, type: fc.constantFrom("symlink" as const, "link" as const), linkname: name }),
  fc.record({
    name,
    type: fc.constantFrom("character-device" as const, "block-device" as const),
    ...{ devmajor: fc.nat({ max: 255 }), devminor: fc.nat({ max: 255 }) },
  }),
  fc.record({ name, type: fc.constant("fifo" as const) }),
);

describe("the headers of a tar", () => {
  it("are those that tar-stream reads", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const tar = await tarOf(entries);
        const headers = await headersOf(tar);
        expect(headers.map(({ records, ...header }) => header)).toEqual(await peerOf(tar));
      }),
      { numRuns: 60 },
    );
  });

  it.each(["gnu", "pax", "ustar"])("are those of GNU tar's format %s", async (format) => {
    const directory = tempDirectory();
    const long =
      format === "ustar" ? `${"d".repeat(90)}/${"n".repeat(80)}` : `${"d".repeat(120)}/${"ä".repeat(100)}`;
    mkdirSync(join(directory, "tree", dirname(long)), { recursive: true });
    writeFileSync(join(directory, "tree", long), "content");
    writeFileSync(join(directory, "tree/first"), "");
    linkSync(join(directory, "tree/first"), join(directory, "tree/hard"));
    symlinkSync(format === "ustar" ? "target" : "t".repeat(150), join(directory, "tree/link"));
    execFileSync("mkfifo", [join(directory, "tree/pipe")]);
    utimesSync(join(directory, "tree", long), 1234, 5678.5);
    const path = join(directory, "tar");
    execFileSync("tar", [
      `--format=${format}`,
      "--sort=name",
      "-cf",
      path,
      "-C",
      join(directory, "tree"),
      ".",
    ]);
    const headers = await headersIn(path);
    const listed = execFileSync("tar", ["-tf", path, "--quoting-style=literal"], { encoding: "utf8" });
    expect(headers.map((header) => header.name)).toEqual(listed.trim().split("\n"));
    const [file, hard] = [`./${long}`, "./hard"].map(
      (each) => headers.find((header) => header.name === each)!,
    );
    expect(file).toMatchObject({ type: "0", size: 7, mtime: 5678, uid: process.getuid!() });
    expect(hard).toMatchObject({ type: "1", linkname: "./first", size: 0 });
    expect(headers.find((header) => header.name === "./pipe")!.type).toBe("6");
    expect((await readFile(path)).toString("utf8", file!.offset, file!.offset + 7)).toBe("content");
  });

  it("of a file larger than eight gigabytes have its size, in either form", async () => {
    const size = 9 * 2 ** 30;
    for (const format of ["gnu", "pax"]) {
      const directory = tempDirectory();
      writeFileSync(join(directory, "large"), "");
      truncateSync(join(directory, "large"), size);
      // Only its first kilobytes are written; the rest of the tar is a hole.
      const head = execFileSync("sh", [
        "-c",
        `tar --format=${format} -C "$1" -cf - large 2>/dev/null | head -c 2048`,
        "sh",
        directory,
      ]);
      const path = join(directory, "tar");
      writeFileSync(path, head);
      truncateSync(path, 2 ** 20 + size);
      const headers = await headersIn(path);
      expect(headers).toMatchObject([{ name: "large", size }]);
    }
  });

  it("are read through a global extended header, whose records a member's own go before", async () => {
    const global = await tarWithPax("first", "comment", Buffer.from("all"));
    // The first block is the extended header; `g` makes it one for every member.
    global.write("g", 156);
    const own = await tarWithPax("second", "comment", Buffer.from("mine"));
    const tar = Buffer.concat([resealed(global).subarray(0, -1024), own]);
    const headers = await headersOf(tar);
    expect(headers.map(({ name, records }) => [name, records.get("comment")])).toEqual([
      ["first", "all"],
      ["second", "mine"],
    ]);
  });

  it("take an empty record for one that is taken back", async () => {
    const [header] = await headersOf(await tarWithPax("name", "path", Buffer.alloc(0)));
    expect(header?.name).toBe("name");
    expect(header?.records.has("path")).toBe(false);
  });

  it("of GNU's sparse files keep their type, so that nobody takes them for plain files", async () => {
    const directory = tempDirectory();
    writeFileSync(join(directory, "holes"), "");
    truncateSync(join(directory, "holes"), 2 ** 20);
    const path = join(directory, "tar");
    execFileSync("tar", ["--format=gnu", "--sparse", "-cf", path, "-C", directory, "holes"]);
    expect((await headersIn(path))[0]?.type).toBe("S");
  });

  describe("are refused", () => {
    const two = [{ name: "one", body: "x".repeat(600) }, { name: "two" }];

    it("wherever the tar is cut", async () => {
      const tar = await tarOf(two);
      for (let length = 0; length <= tar.length - 1024; length += 256) {
        await expect(headersOf(tar.subarray(0, length))).rejects.toThrow(/^it ends /);
      }
      expect(await headersOf(tar)).toHaveLength(2);
    });

    it("with more after the mark of its end", async () => {
      const tar = await tarOf(two);
      await expect(headersOf(Buffer.concat([tar, tar]))).rejects.toThrow(
        "it has more after the mark of its end",
      );
      expect(await headersOf(Buffer.concat([tar, Buffer.alloc(200_000)]))).toHaveLength(2);
    });

    it("with any bit of the first header changed", async () => {
      const tar = await tarOf(two);
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: 512 * 8 - 1 }), async (bit) => {
          const changed = Buffer.from(tar);
          changed[bit >> 3]! ^= 1 << (bit & 7);
          // Some bits of a number's padding make no difference to its value.
          const before = await headersOf(tar);
          const after = await headersOf(changed).catch((error: Error) => error);
          if (!(after instanceof Error)) expect(after).toEqual(before);
        }),
        { numRuns: 200 },
      );
    });

    it.each<[string, (header: Buffer) => void, string]>([
      ["of an unknown format", (header) => header.write("other", 257), "a header is of an unknown format"],
      [
        "with a size that is no number",
        (header) => header.write("00000000009 ", 124),
        "a number that cannot be read",
      ],
      ["with a negative size", (header) => header.fill(0xff, 124, 136), '"one" has the size -1'],
      [
        "with a size beyond the tar",
        (header) => header.write("77777777777 ", 124),
        'it ends inside of "one"',
      ],
      ["of a link with content", (header) => header.write("2", 156), '"one" has content, but is of type 2'],
      [
        "of a directory with content",
        (header) => header.write("5", 156),
        '"one" has content, but is of type 5',
      ],
    ])("%s", async (_, change, message) => {
      const tar = await tarOf(two);
      change(tar.subarray(0, 512));
      await expect(headersOf(resealed(tar))).rejects.toThrow(message);
    });

    it.each([
      "12 path",
      "99 path=x\n",
      "x path=y\n",
      "0 a=b\n",
      "8 =abcd\n",
      "-9 path=x\n",
      "9 path=ab",
      "9path=ab\n",
    ])("with the record %j", async (record) => {
      const tar = await tarOf([{ name: "pax", body: record }, { name: "file" }]);
      tar.write("x", 156);
      await expect(headersOf(resealed(tar))).rejects.toThrow("an extended header cannot be read");
    });

    it.each(["", "-1", "1e3", "0x9", "9".repeat(30)])("with the recorded size %j", async (size) => {
      const reading = headersOf(await tarWithPax("file", "size", Buffer.from(size)));
      if (size === "") expect(await reading).toHaveLength(1);
      else await expect(reading).rejects.toThrow(`"file" has the size "${size}"`);
    });

    it("with an extended header that is larger than any real one", async () => {
      const tar = await tarOf([{ name: "pax", body: Buffer.alloc(2 ** 20 + 1) }]);
      tar.write("x", 156);
      await expect(headersOf(resealed(tar))).rejects.toThrow("an extended header has 1048577 bytes");
    });
  });
});
