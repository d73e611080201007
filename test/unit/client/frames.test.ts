import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Cache } from "../../../pipeline/client/cache.ts";
import { download } from "../../../pipeline/client/download.ts";
import { writeTable } from "../../../pipeline/client/frames/table-file.ts";
import { remoteOf } from "../../../pipeline/client/manifest.ts";
import { ensureBase, ensureImage, type PullOptions } from "../../../pipeline/client/pull.ts";
import { encodeTable, skippableFrame } from "../../../pipeline/schema/frames.ts";
import type { Manifest } from "../../../pipeline/schema/manifest.ts";
import type { Run } from "../../../pipeline/util/progress.ts";
import { assetOf } from "../../support/assets.ts";
import { FileServer, type Part } from "../../support/file-server.ts";
import { type FramedAsset, framedAsset, framesOf, joined } from "../../support/framed.ts";
import { packed, ReleaseFiles } from "../../support/release-files.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const CODEX = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;
const ROOTFS = "codex-amd64-ubuntu-rootfs.ext4.zst";
const BASE = "base-amd64-rootfs.ext4.zst";
const FAST = { attempts: 4, firstMs: 1, silenceMs: 400, nextMs: 300 };
const KIB = 1024;
const sha256Of = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A zstd file made `size` bytes long by a frame that decoders skip. */
function fill(bytes: Buffer, size: number): Buffer {
  return Buffer.concat([bytes, skippableFrame(0x184d2a50, Buffer.alloc(size - bytes.length - 8))]);
}

/** What the base has and the preset keeps, and what the preset adds. Nothing packs it. */
const [META, DATA, MORE] = [randomBytes(8 * KIB), randomBytes(256 * KIB), randomBytes(128 * KIB)];
const EMPTY = Buffer.alloc(256 * KIB);
const OWN = [
  randomBytes(8 * KIB),
  Buffer.concat([randomBytes(24 * KIB), EMPTY, randomBytes(40 * KIB)]),
  randomBytes(32 * KIB),
] as const;
const HOLE = Buffer.alloc(512 * KIB);
const BASE_PARTS = [META, DATA, MORE, HOLE];
const CODEX_PARTS = [OWN[0], DATA, OWN[1], OWN[2], MORE, HOLE];
const IMAGE = Buffer.concat(CODEX_PARTS);

let server: FileServer;
let release: ReleaseFiles;
let cacheDir: string;
/** The preset's asset. */
let codex: FramedAsset;

beforeEach(async () => {
  server = await FileServer.start();
  release = new ReleaseFiles(server.url);
  for (const [name, bytes] of release.files) server.files.set(`/images-v1/${name}`, bytes);
  cacheDir = tempDirectory();
  offer(BASE, framedAsset(BASE, BASE_PARTS));
  codex = framedAsset(ROOTFS, CODEX_PARTS);
  offer(ROOTFS, codex);
});

let manifest: Manifest;
/** Puts an asset on the server and into the manifest. */
function offer(name: string, { bytes, asset }: FramedAsset): void {
  server.files.set(`/images-v1/${name}`, bytes);
  const { assets, bases, images } = name === BASE ? release.manifest : manifest;
  const row = { rootfs_sha256: asset.sha256 };
  manifest = {
    ...release.manifest,
    bases: name === BASE ? bases.map((each) => ({ ...each, ...row })) : manifest.bases,
    images: name === ROOTFS ? images.map((each) => ({ ...each, ...row })) : images,
    assets: { ...assets, [name]: asset },
  };
}

const options = (more: PullOptions = {}, run: Run = silentRun()): PullOptions => ({
  ...{ cacheDir, manifest, patience: FAST, run },
  ...more,
});
const pullBase = () => ensureBase({ arch: "amd64", flavor: "ubuntu" }, options());
const pull = (run?: Run, more?: PullOptions) => ensureImage(CODEX, options(more, run));
/** The requests for the preset's asset since the last call. */
let seen = 0;
const asked = () => {
  const requests = server.requests.slice(seen).filter((request) => request.includes(ROOTFS));
  seen = server.requests.length;
  return requests.map((request) => request.replace(`GET /images-v1/${ROOTFS}`, "").trim());
};
beforeEach(() => {
  seen = 0;
});
const rangeOf = (start: number, size: number) => `bytes=${start}-${start + size - 1}`;
const tableRange = () => rangeOf(codex.asset.frames!.offset, codex.asset.frames!.size);
const partials = () =>
  readdirSync(join(cacheDir, "sha256")).filter((name) => !/^[0-9a-f]{64}(\.json|\.frames)?$/.test(name));
const isRight = (path: string) => expect(readFileSync(path).equals(IMAGE)).toBe(true);

describe("an image whose base is in the cache", () => {
  it("is put together from it and from the frames that are missing, with holes where it is empty", async () => {
    await pullBase();
    asked();
    const sent = server.sent;
    const run = recordedRun();
    const { rootfsPath, fetched, timings } = await pull(run);
    isRight(rootfsPath);
    expect(partials()).toEqual([]);
    const [own, , second, third] = codex.frames.map(({ size }) => size);
    const at = (index: number) => codex.frames.slice(0, index).reduce((sum, { size }) => sum + size, 0);
    // Neighbours are one request.
    expect(asked()).toEqual([tableRange(), rangeOf(0, own!), rangeOf(at(2), second! + third!)]);
    expect(fetched).toEqual({ fetched: own! + second! + third!, size: codex.bytes.length });
    expect(server.sent - sent).toBe(fetched!.fetched + codex.asset.frames!.size);
    expect(run.bytes.at(-1)).toEqual({ done: fetched!.fetched, total: fetched!.fetched });
    expect(run.steps.at(-1)).toBe(`${ROOTFS}: fetch 107 kB of 501 kB, copy the rest from cached images`);
    expect(run.warnings).toEqual([]);
    expect(timings.downloadMs).toBeGreaterThan(0);
    const { size, blocks } = statSync(rootfsPath);
    expect(size).toBe(IMAGE.length);
    expect(blocks * 512).toBeLessThan(size - HOLE.length - EMPTY.length + 64 * KIB);
  });

  it("is used for others in turn: of the same content under another name nothing but the table is fetched", async () => {
    await pull();
    const entry = readFileSync(join(cacheDir, "sha256", `${codex.asset.sha256}.frames`));
    expect(entry.length).toBeGreaterThan(0);
    asked();
    // Cut as before, and compressed otherwise: another release.
    const frames = framesOf(CODEX_PARTS).map((frame) => {
      const bytes = Buffer.concat([frame.bytes, Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])]);
      return { ...frame, bytes, size: bytes.length };
    });
    codex = joined(ROOTFS, frames, IMAGE);
    offer(ROOTFS, codex);
    const { rootfsPath, fetched, timings } = await pull();
    isRight(rootfsPath);
    expect(asked()).toEqual([tableRange()]);
    expect(fetched).toEqual({ fetched: 0, size: codex.bytes.length });
    // It is not taken for one that was in the cache.
    expect(timings.downloadMs).toBeGreaterThan(0);
  });

  it("is fetched whole, in one request, where less than a twentieth of it is in the cache", async () => {
    offer(BASE, framedAsset(BASE, [META, OWN[0], HOLE]));
    offer(ROOTFS, codex);
    await pullBase();
    asked();
    const run = recordedRun();
    const { rootfsPath, fetched } = await pull(run);
    isRight(rootfsPath);
    expect(asked()).toEqual([tableRange(), ""]);
    expect(fetched).toBeUndefined();
    expect(run.steps).toEqual([`fetch ${ROOTFS}`]);
  });

  it("is fetched whole where no cached image has a table: an earlier version stored none", async () => {
    await pullBase();
    rmSync(join(cacheDir, "sha256", `${manifest.assets[BASE]!.sha256}.frames`));
    asked();
    isRight((await pull()).rootfsPath);
    expect(asked()).toEqual([""]);
  });

  it("is fetched whole where the manifest has no table of it", async () => {
    await pullBase();
    const { frames: _, ...asset } = codex.asset;
    offer(ROOTFS, { ...codex, asset });
    asked();
    isRight((await pull()).rootfsPath);
    expect(asked()).toEqual([""]);
    expect(existsSync(join(cacheDir, "sha256", `${codex.asset.sha256}.frames`))).toBe(false);
  });

  it("is resumed where it was cut", async () => {
    await pullBase();
    asked();
    server.troubles.push({ kind: "cut", after: 100 }, { kind: "status", status: 503 });
    server.troubles.push({ kind: "stall", after: 5000 }, { kind: "short", after: 100 });
    isRight((await pull()).rootfsPath);
    expect(asked().length).toBeGreaterThan(5);
  });

  it("is put together once when several want it at the same time", async () => {
    await pullBase();
    asked();
    const paths = await Promise.all([pull(), pull(), pull()]);
    for (const { rootfsPath } of paths) isRight(rootfsPath);
    expect(asked()).toHaveLength(3);
  });

  it("ends when it is interrupted, and leaves nothing", async () => {
    await pullBase();
    // The table comes, and then nothing.
    server.lie = (answer) => {
      server.troubles.push({ kind: "silence" }, { kind: "silence" });
      return answer;
    };
    const run = recordedRun();
    const pulled = pull(run, { patience: { ...FAST, silenceMs: 3600_000 } }).catch((error) => error);
    await expect
      .poll(() => server.requests.filter((each) => each.includes("bytes=")).length)
      .toBeGreaterThan(1);
    run.interrupt(new Error("stop"));
    expect((await pulled).message).toBe("stop");
    expect(partials()).toEqual([]);
    expect(existsSync(join(cacheDir, "sha256", codex.asset.sha256))).toBe(false);
  });
});

describe("a damaged cached image", () => {
  it("is not used: its frames are fetched instead, which is said", async () => {
    const { rootfsPath: base } = await pullBase();
    const bytes = readFileSync(base);
    // The frame that begins after META is whole, the next one is not.
    bytes[META.length + DATA.length] = bytes[META.length + DATA.length]! ^ 1;
    writeFileSync(base, bytes);
    asked();
    const run = recordedRun();
    const { rootfsPath } = await pull(run);
    isRight(rootfsPath);
    expect(run.warnings).toEqual([
      `${base} is damaged, and is not used: \`smolvm images --verify\` checks the cache`,
    ]);
    expect(asked()).toHaveLength(4);
  });

  it.each<[string, (base: string) => void]>([
    [
      "is shorter than its table says",
      (base) => writeFileSync(base, readFileSync(base).subarray(0, 300 * KIB)),
    ],
    ["is gone", (base) => rmSync(base)],
    ["has a table that is none", (base) => writeFileSync(`${base}.frames`, "{}")],
    [
      "has a damaged table",
      (base) => {
        const known = JSON.parse(readFileSync(`${base}.frames`, "utf8"));
        const table = Buffer.from(known.table, "base64");
        // Its first two frames in the other order: it is a table, and another one.
        const [header, first, second] = [
          table.subarray(0, 16),
          table.subarray(16, 56),
          table.subarray(56, 96),
        ];
        const other = Buffer.concat([header, second, first, table.subarray(96)]);
        writeFileSync(`${base}.frames`, JSON.stringify({ ...known, table: other.toString("base64") }));
      },
    ],
  ])("that %s is not used", async (_, spoil) => {
    const { rootfsPath: base } = await pullBase();
    spoil(base);
    asked();
    const run = recordedRun();
    isRight((await pull(run)).rootfsPath);
    expect(asked().at(-1)).toBe("");
    expect(run.warnings).toEqual([]);
  });

  it("serves to repair itself", async () => {
    const { rootfsPath } = await pull();
    const bytes = readFileSync(rootfsPath);
    bytes[0] = bytes[0]! ^ 1;
    rmSync(rootfsPath);
    writeFileSync(rootfsPath, bytes);
    asked();
    const { fetched } = await pull();
    isRight(rootfsPath);
    expect(fetched!.fetched).toBeLessThan(codex.bytes.length);
  });
});

/** The whole file is asked for last, which is said once, and nothing is warned of. */
async function expectWhole(reason: string | RegExp): Promise<void> {
  await pullBase();
  asked();
  const run = recordedRun();
  const { rootfsPath, fetched } = await pull(run);
  isRight(rootfsPath);
  expect(asked().at(-1)).toBe("");
  expect(fetched).toBeUndefined();
  const said = run.steps.filter((step) => step.startsWith(`fetch the whole of ${ROOTFS}`));
  expect(said).toEqual([expect.stringMatching(reason)]);
  expect(run.warnings).toEqual([]);
  expect(partials()).toEqual([]);
}

describe("a server that", () => {
  const NO_PARTS = /\(the server does not send parts of files\)$/;
  it("sends whole files only, has the whole file asked for", async () => {
    server.ranges = false;
    await expectWhole(NO_PARTS);
  });

  it.each<[string, (answer: Part) => Part]>([
    ["refuses ranges", () => ({ status: 416, body: Buffer.alloc(0) })],
    ["does not say which part it sends", ({ body }) => ({ status: 206, body })],
    ["sends several parts in one answer", ({ body }) => ({ status: 206, contentRange: "multipart", body })],
    [
      "says that it sends another part",
      (answer) => ({ ...answer, contentRange: answer.contentRange!.replace(/ (\d)/, " 1$1") }),
    ],
    [
      "says that the file has another size",
      (answer) => ({ ...answer, contentRange: answer.contentRange!.replace(/\d+$/, "7") }),
    ],
    [
      "sends less, and says so",
      ({ status, contentRange, body }) => ({
        status,
        contentRange: contentRange!.replace(/-(\d+)/, (_, end) => `-${Number(end) - 1}`),
        body: body.subarray(0, -1),
      }),
    ],
    [
      "sends more than it says",
      (answer) => ({ ...answer, body: Buffer.concat([answer.body, Buffer.alloc(9)]) }),
    ],
  ])("%s, has the whole file asked for", async (_, lie) => {
    server.lie = lie;
    await expectWhole(/\(the server does not send parts of files\)$|\(it sent more than was asked for\)$/);
  });

  it.each<[string, (body: Buffer) => Buffer, RegExp]>([
    [
      "zeros",
      (body) => Buffer.alloc(body.length),
      /zstd cannot unpack its frames|table of its frames is not the one/,
    ],
    [
      "a changed last byte",
      (body) => Buffer.concat([body.subarray(0, -1), Buffer.from([body.at(-1)! ^ 1])]),
      /sha256 of a frame is|zstd cannot unpack|table of its frames is not the one/,
    ],
  ])("sends %s for frames, has the whole file asked for", async (_, change, reason) => {
    server.lie = (answer) => ({ ...answer, body: change(answer.body) });
    await expectWhole(reason);
    // The same with the right table.
    cacheDir = tempDirectory();
    const { size } = codex.asset.frames!;
    server.lie = (answer) =>
      answer.body.length === size ? answer : { ...answer, body: change(answer.body) };
    await expectWhole(reason);
  });
});

describe("mirrors", () => {
  it("that send a wrong frame are left for the next source, which goes on where they ended", async () => {
    const mirror = await FileServer.start();
    mirror.files.set("/vmlinux-amd64.image", release.kernel);
    mirror.files.set(`/${ROOTFS}`, codex.bytes);
    await pullBase();
    asked();
    const [own, , second] = codex.frames.map(({ size }) => size);
    const at = own! + codex.frames[1]!.size;
    // It unpacks to as many bytes, also where the right ones are a hole, and is written before it is known to be wrong.
    const wrong = fill(packed(Buffer.alloc(OWN[1].length, "x")), second!);
    mirror.lie = (answer) =>
      answer.contentRange?.startsWith(`bytes ${at}-`)
        ? { ...answer, body: Buffer.concat([wrong, answer.body.subarray(second)]) }
        : answer;
    const run = recordedRun();
    const { rootfsPath } = await pull(run, { mirrors: [mirror.url] });
    isRight(rootfsPath);
    // Neither the table nor the first frame is fetched again.
    expect(asked()).toEqual([rangeOf(at, second! + codex.frames[3]!.size)]);
    expect(run.warnings).toEqual([
      expect.stringMatching(/the sha256 of a frame is .*; trying the next source$/),
    ]);
  });

  it("that do not have the file, or do not answer, are left for the next source", async () => {
    await pullBase();
    for (const troubles of [[], Array(9).fill({ kind: "status", status: 500 })]) {
      const mirror = await FileServer.start();
      mirror.troubles.push(...troubles);
      rmSync(join(cacheDir, "sha256", codex.asset.sha256), { force: true });
      rmSync(join(cacheDir, "sha256", `${codex.asset.sha256}.frames`), { force: true });
      asked();
      isRight((await pull(silentRun(), { mirrors: [mirror.url] })).rootfsPath);
      expect(asked()[0]).toBe(tableRange());
    }
  });

  it("that are directories are read whole: nothing is saved there", async () => {
    const mirror = tempDirectory();
    writeFileSync(join(mirror, "vmlinux-amd64.image"), release.kernel);
    writeFileSync(join(mirror, ROOTFS), codex.bytes);
    await pullBase();
    asked();
    isRight((await pull(silentRun(), { mirrors: [mirror] })).rootfsPath);
    expect(asked()).toEqual([]);
    expect(existsSync(join(cacheDir, "sha256", `${codex.asset.sha256}.frames`))).toBe(true);
  });
});

describe("a table that does not match its asset", () => {
  const other = "0".repeat(64);
  it.each<[string, (asset: FramedAsset) => FramedAsset, RegExp]>([
    [
      "names other bytes",
      () =>
        framedAsset(ROOTFS, CODEX_PARTS, (all) =>
          all.map((each, index) => (index === 2 ? { ...each, sha256: other } : each)),
        ),
      /sha256 of a frame/,
    ],
    [
      "says that a frame unpacks to less",
      () =>
        framedAsset(ROOTFS, CODEX_PARTS, (all) =>
          all.map((each, index) => ({
            ...each,
            imageSize: each.imageSize + [0, 0, -KIB, KIB, 0, 0][index]!,
          })),
        ),
      /sha256 of a frame/,
    ],
    [
      "says that a frame is longer",
      () =>
        framedAsset(ROOTFS, CODEX_PARTS, (all) =>
          all.map((each, index) => ({ ...each, size: each.size + [1, -1, 0, 0, 0, 0][index]! })),
        ),
      /zstd cannot unpack/,
    ],
    [
      "has another order",
      () => framedAsset(ROOTFS, CODEX_PARTS, (all) => [all[0]!, all[1]!, all[3]!, all[2]!, ...all.slice(4)]),
      /sha256 of a frame/,
    ],
    ["has other sums", () => framedAsset(ROOTFS, CODEX_PARTS, (all) => all.slice(1)), /cannot be used/],
    [
      "repeats a frame of the base for another: its image is another",
      () =>
        joined(ROOTFS, framesOf(CODEX_PARTS), IMAGE, (all) =>
          all.map((each, index) =>
            index === 5 ? { ...each, sha256: framesOf([Buffer.concat([DATA, DATA])])[0]!.sha256 } : each,
          ),
        ),
      /zstd|sha256|not those/,
    ],
  ])("because it %s, is not believed", async (_, make, reason) => {
    codex = make(codex);
    offer(ROOTFS, codex);
    await expectWhole(reason);
  });

  it("because its frames are right and its image is another, is not believed", async () => {
    // What the whole file unpacks to is right; the table lists the frame of the base at the place of the preset's.
    const swapped = [OWN[0], DATA, randomBytes(OWN[1].length), OWN[2], MORE, HOLE];
    const frames = framesOf(CODEX_PARTS);
    const [, , wrong] = framesOf(swapped);
    offer(BASE, framedAsset(BASE, [...BASE_PARTS, swapped[2]!]));
    codex = joined(ROOTFS, frames, IMAGE, (all) =>
      all.map((each, index) => (index === 2 ? { ...each, sha256: wrong!.sha256 } : each)),
    );
    offer(ROOTFS, codex);
    await expectWhole(/\(its frames are not those of its image\)$/);
  });

  it.each<[string, object, number]>([
    ["lies outside the file", { offset: 2 ** 40 }, 1],
    ["is larger than any", { size: 2 ** 40 }, 1],
    ["is another one", { sha256: other }, 2],
  ])("because it %s, is not believed, or not even read", async (_, wrong, requests) => {
    await pullBase();
    codex = { ...codex, asset: { ...codex.asset, frames: { ...codex.asset.frames!, ...wrong } } };
    offer(ROOTFS, codex);
    asked();
    isRight((await pull()).rootfsPath);
    const all = asked();
    expect([all.length, all.at(-1)]).toEqual([requests, ""]);
    expect(existsSync(join(cacheDir, "sha256", `${codex.asset.sha256}.frames`))).toBe(false);
  });
});

describe("a frame that", () => {
  const bomb = packed(Buffer.alloc(64 << 20));
  it.each<[string, (right: Buffer) => Buffer, RegExp]>([
    ["unpacks to far more than its table says", () => bomb, /sha256 of a frame/],
    [
      "has more after it",
      (right) => Buffer.concat([right, bomb]),
      /sha256 of a frame|more than its table says/,
    ],
    ["is cut", (right) => right.subarray(0, -10), /zstd cannot unpack/],
    ["is empty", () => packed(Buffer.alloc(0)), /less than its table says|zstd|sha256/],
  ])("%s is not used, and the whole file is fetched", async (_, change, reason) => {
    for (const index of [0, 3]) {
      cacheDir = tempDirectory();
      const wrong = framesOf(CODEX_PARTS).map((frame, at) => {
        const bytes = at === index ? change(frame.bytes) : frame.bytes;
        return { ...frame, bytes, size: bytes.length };
      });
      // The server has the right file as a whole, and sends these frames as its parts.
      const spoilt = joined(ROOTFS, wrong, IMAGE);
      const { frames } = spoilt.asset;
      const bytes = fill(packed(IMAGE), spoilt.bytes.length + 600 * KIB);
      codex = { bytes, frames: spoilt.frames, asset: { ...assetOf(ROOTFS, bytes, IMAGE), frames } };
      offer(ROOTFS, codex);
      server.lie = ({ status, contentRange }) => {
        const [start, end] = /(\d+)-(\d+)/.exec(contentRange!)!.slice(1).map(Number);
        return { status, contentRange, body: spoilt.bytes.subarray(start, end! + 1) };
      };
      await expectWhole(reason);
    }
  });
});

describe("the disk", () => {
  it("that is full is an error, which another source would not change", async () => {
    const { rootfsPath } = await pullBase();
    const remote = remoteOf(manifest, manifest.images[0]!.rootfs_url, codex.asset.sha256);
    const framed = {
      ...{
        asset: ROOTFS,
        size: remote.size!,
        image: remote.image!,
        frames: remote.frames!,
        cached: [rootfsPath],
      },
    };
    const work = download(
      { remote, mirrors: [], unpack: true, patience: FAST, framed },
      "/dev/full",
      silentRun(),
    );
    await expect(work).rejects.toMatchObject({
      code: "disk-full",
      message: "no space left for /dev/full: make room",
    });
  });
});

describe("the cache", () => {
  const directory = () => join(cacheDir, "sha256");
  it("loses the table with its image, and takes it for a leftover where the image is gone", async () => {
    const cache = new Cache(cacheDir);
    const { rootfsPath } = await pullBase();
    expect(await cache.leftovers()).toEqual([]);
    expect(await cache.withTables()).toEqual([rootfsPath]);
    rmSync(rootfsPath);
    rmSync(`${rootfsPath}.json`);
    expect(await cache.leftovers()).toEqual([`${rootfsPath}.frames`]);
    await cache.removeLeftover(`${rootfsPath}.frames`);
    expect(existsSync(`${rootfsPath}.frames`)).toBe(false);
    await pull();
    for (const entry of await cache.list()) await cache.remove(entry);
    expect(readdirSync(directory())).toEqual([]);
  });

  it("keeps the table of an image that is there, and what is not ours", async () => {
    const cache = new Cache(cacheDir);
    const { rootfsPath } = await pullBase();
    await cache.removeLeftover(`${rootfsPath}.frames`);
    expect(existsSync(`${rootfsPath}.frames`)).toBe(true);
    writeFileSync(join(directory(), `${"a".repeat(64)}.frames`), "a list of paintings");
    expect(await cache.leftovers()).toEqual([]);
    const gone = `${"a".repeat(64)}.frames.0.4194305.partial`;
    writeFileSync(join(directory(), gone), "{");
    expect(await cache.leftovers()).toEqual([join(directory(), gone)]);
  });

  it("has no use for a table without the file that it belongs to", async () => {
    const cache = new Cache(cacheDir);
    await pullBase();
    const bytes = encodeTable([]);
    const lost = join(directory(), "b".repeat(64));
    await writeTable(lost, { place: { offset: 8, size: bytes.length, sha256: sha256Of(bytes) }, bytes });
    expect(await cache.leftovers()).toEqual([`${lost}.frames`]);
    expect(await cache.withTables()).toHaveLength(1);
  });
});
