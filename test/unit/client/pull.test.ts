import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Cache } from "../../../pipeline/client/cache.ts";
import { download } from "../../../pipeline/client/download.ts";
import { ImageError } from "../../../pipeline/client/image-error.ts";
import { mirrorsOf } from "../../../pipeline/client/mirrors.ts";
import {
  ensureBase,
  ensureImage,
  ensureKernel,
  ensureRootfs,
  isPublished,
  type PullOptions,
} from "../../../pipeline/client/pull.ts";
import { unpackTo } from "../../../pipeline/client/unpack.ts";
import type { Manifest } from "../../../pipeline/schema/manifest.ts";
import { withLock } from "../../../pipeline/util/lock.ts";
import type { Run } from "../../../pipeline/util/progress.ts";
import { FileServer, type Trouble } from "../../support/file-server.ts";
import { packed, ReleaseFiles, rootfsBytes } from "../../support/release-files.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { silentRun } from "../../support/silent.ts";

const CODEX = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;
const ROOTFS = "codex-amd64-ubuntu-rootfs.ext4.zst";
const KERNEL = "vmlinux-amd64.image";
/** A frame of zstd's that holds nothing, and that every decoder skips. */
const SKIPPED = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
const FAST = { attempts: 4, firstMs: 1, silenceMs: 400, nextMs: 300 };

let server: FileServer;
let release: ReleaseFiles;
let cacheDir: string;
beforeEach(async () => {
  server = await FileServer.start();
  release = new ReleaseFiles(server.url);
  for (const [name, bytes] of release.files) server.files.set(`/images-v1/${name}`, bytes);
  cacheDir = tempDirectory();
});

const pull = (options: PullOptions = {}, run: Run = silentRun()) =>
  ensureImage(CODEX, { cacheDir, manifest: release.manifest, patience: FAST, run, ...options });
const entries = () => readdirSync(join(cacheDir, "sha256")).sort();
/** The cache as it is to be: two files, each with what is known of it, and nothing half-made. */
const expectClean = () => {
  expect(entries()).toHaveLength(4);
  expect(entries().filter((name) => !/^[0-9a-f]{64}(\.json)?$/.test(name))).toEqual([]);
};

describe("pulling an image", () => {
  it("brings its kernel and its root file system, unpacked, with holes where it is empty", async () => {
    const { kernelPath, rootfsPath } = await pull();
    expect(readFileSync(kernelPath)).toEqual(release.kernel);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    const { size, blocks } = statSync(rootfsPath);
    expect(blocks * 512).toBeLessThan(size / 2);
    expectClean();
  });

  it("asks nobody for what is there; a new tag with the same bytes downloads nothing", async () => {
    const first = await pull();
    const before = server.requests.length;
    const newer: Manifest = JSON.parse(JSON.stringify(release.manifest).replaceAll("images-v1", "images-v2"));
    expect(await pull({ manifest: newer })).toMatchObject({ rootfsPath: first.rootfsPath });
    expect(server.requests).toHaveLength(before);
  });

  it("brings a bare base and the kernel that the VMM starts", async () => {
    const options = { cacheDir, manifest: release.manifest, patience: FAST };
    const { rootfsPath } = await ensureBase({ arch: "amd64", flavor: "ubuntu" }, options);
    expect(readFileSync(rootfsPath, "utf8")).toBe("a base");
    await expect(
      ensureBase({ arch: "amd64", flavor: "ubuntu", vmm: "firecracker" }, options),
    ).rejects.toThrow("images-v1 has no kernel for amd64 (elf)");
  });

  it("says how far it is, and how long each part took", async () => {
    const run = recordedRun();
    const { timings } = await pull({}, run);
    expect(run.steps).toEqual(["fetch vmlinux-amd64.image", `fetch ${ROOTFS}`]);
    const size = release.files.get(ROOTFS)!.length;
    expect(run.bytes.at(-1)).toEqual({ done: size, total: size });
    expect(timings.downloadMs).toBeGreaterThan(0);
    expect((await pull()).timings).toMatchObject({ downloadMs: 0, finishMs: 0 });
  });

  it("says how long looking it up and finishing took, of all the time that it took", async () => {
    const before = performance.now();
    const { timings } = await pull();
    const all = performance.now() - before;
    expect(timings.finishMs).toBeGreaterThanOrEqual(0);
    expect(timings.lookupMs + timings.downloadMs + timings.finishMs).toBeLessThanOrEqual(all);
  });

  it("reads the manifest from where it is, if that is what it is given", async () => {
    const directory = tempDirectory();
    for (const [name, bytes] of release.files) writeFileSync(join(directory, name), bytes);
    const manifest = join(directory, "manifest.json");
    // What is released has https addresses; here a mirror has the files.
    writeFileSync(manifest, JSON.stringify(release.manifest).replaceAll(server.url, "https://example.com"));
    const { rootfsPath } = await pull({ manifest, mirrors: [directory] });
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
  });

  it("looks at what this checkout has built only where neither a manifest nor a mirror is named", async () => {
    // No VMM of that name is offered: whatever has been built here, this is missing.
    const query = { ...CODEX, vmm: "libkrun" } as const;
    const advice = "; to build it here: `npx smolvm-images cell ";
    await expect(ensureImage(query, { cacheDir })).rejects.toThrow(advice);
    for (const named of [{ manifest: release.manifest }, { mirrors: [tempDirectory()] }]) {
      const error = await ensureImage(query, { cacheDir, ...named }).catch((reason) => reason);
      expect(error).toMatchObject({ name: "NotOffered", message: expect.not.stringContaining(advice) });
    }
  });

  const size = () => release.files.get(ROOTFS)!.length;
  const onRootfs = (...troubles: Trouble[]) => {
    // The kernel comes first, untroubled: its file is taken from a mirror.
    const mirror = tempDirectory();
    writeFileSync(join(mirror, "vmlinux-amd64.image"), release.kernel);
    server.troubles.push(...troubles);
    return { mirrors: [mirror] };
  };

  it("goes on where it was cut, and takes no byte twice", async () => {
    const options = onRootfs({ kind: "cut", after: 300_000 }, { kind: "cut", after: 200_000 });
    const { rootfsPath } = await pull(options);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    const ranges = server.requests.filter((request) => request.includes("bytes="));
    expect(ranges).toHaveLength(2);
    // A connection that breaks takes with it what was under way.
    expect(server.sent).toBeLessThan(size() + 2 * (1 << 18));
  });

  it.each<[string, readonly Trouble[]]>([
    [
      "answers 503 at first",
      [
        { kind: "status", status: 503 },
        { kind: "status", status: 429 },
      ],
    ],
    ["ends early, as if that were all", [{ kind: "short", after: 100_000 }]],
    ["does not answer at first", [{ kind: "silence" }]],
    [
      "cuts it at the first byte, thrice",
      [
        { kind: "cut", after: 1 },
        { kind: "cut", after: 1 },
        { kind: "cut", after: 1 },
      ],
    ],
  ])("survives a server that %s", async (_, troubles) => {
    const { rootfsPath } = await pull(onRootfs(...troubles));
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expectClean();
  });

  it("survives a server that knows no ranges, and one that has no validator", async () => {
    server.ranges = false;
    server.etag = () => undefined;
    const { rootfsPath } = await pull(onRootfs({ kind: "cut", after: 400_000 }));
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
  });

  it("begins again when the file has become another in between", async () => {
    const path = `/images-v1/${ROOTFS}`;
    const right = server.files.get(path)!;
    server.files.set(path, Buffer.alloc(right.length, 7));
    const options = onRootfs({ kind: "cut", after: 100_000 });
    server.etag = (body) => {
      // The right one is put there once the first answer has begun.
      setImmediate(() => server.files.set(path, right));
      return `"${body[0]}"`;
    };
    const { rootfsPath } = await pull(options);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
  });

  it.each<[string, (path: string) => void, RegExp]>([
    [
      "other bytes",
      (path) => server.files.set(path, Buffer.alloc(size(), 1)),
      /its sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}|zstd cannot unpack the file/,
    ],
    [
      "more bytes",
      (path) => server.files.set(path, Buffer.concat([server.files.get(path)!, Buffer.alloc(10)])),
      /it has more than the \d+ bytes that are expected/,
    ],
    ["nothing there", (path) => server.files.delete(path), /HTTP 404/],
    [
      "an answer of 500 for good",
      () => server.troubles.push(...Array<Trouble>(9).fill({ kind: "status", status: 500 })),
      /HTTP 500/,
    ],
  ])("refuses %s, and leaves nothing behind", async (_, spoil, message) => {
    const options = onRootfs();
    spoil(`/images-v1/${ROOTFS}`);
    const failure = await pull(options).then(
      () => undefined,
      (error: Error & { details?: string[] }) => error,
    );
    expect([failure?.message, ...(failure?.details ?? [])].join("\n")).toMatch(message);
    expect(entries().filter((name) => !/^[0-9a-f]{64}(\.json)?$/.test(name))).toEqual([]);
    expect(entries()).toHaveLength(2);
  });

  /** zstd of other content, as long as the right bytes: a frame that every decoder skips fills it up. */
  const otherZstd = () => {
    const frame = packed(Buffer.from("other content"));
    const rest = size() - frame.length - 8;
    const header = Buffer.alloc(8);
    header.writeUInt32LE(0x184d2a50, 0);
    header.writeUInt32LE(rest, 4);
    return Buffer.concat([frame, header, Buffer.alloc(rest)]);
  };
  it.each<[string, string, () => Buffer]>([
    ["a root file system that zstd unpacks, of the right size", ROOTFS, otherZstd],
    ["a root file system that zstd unpacks, and shorter", ROOTFS, () => packed(rootfsBytes(1))],
    [
      "the right root file system, with more after it",
      ROOTFS,
      () => Buffer.concat([packed(release.rootfs), SKIPPED]),
    ],
    ["a kernel of the right size", KERNEL, () => Buffer.alloc(release.kernel.length, "x")],
    ["a kernel that is cut", KERNEL, () => release.kernel.subarray(0, 100)],
  ])("believes the sha256 alone: refuses %s, and tries the next source", async (_, name, bytes) => {
    const wrong = bytes();
    // A server that knows no length and sends less would be asked again.
    const mirror = tempDirectory();
    writeFileSync(join(mirror, name), wrong);
    const run = recordedRun();
    const { kernelPath, rootfsPath } = await pull({ mirrors: [mirror] }, run);
    expect(run.warnings).toContainEqual(
      expect.stringMatching(
        /: (its sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}|it has more than the \d+ bytes .*); trying the next source$/,
      ),
    );
    expect(readFileSync(kernelPath)).toEqual(release.kernel);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    server.files.set(`/images-v1/${name}`, wrong);
    cacheDir = tempDirectory();
    await expect(pull()).rejects.toThrow(
      /^cannot fetch http:\S+: (its sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}|it ended after \d+ of \d+ bytes|it has more than the \d+ bytes that are expected)$/,
    );
    expect(entries().filter((each) => !/^[0-9a-f]{64}(\.json)?$/.test(each))).toEqual([]);
    expect(entries()).toHaveLength(name === KERNEL ? 0 : 2);
  });

  it("asks the mirrors in their order, believes none, and the release's own address last", async () => {
    const [empty, wrong, right] = [tempDirectory(), tempDirectory(), tempDirectory()];
    writeFileSync(join(wrong, ROOTFS), "not it");
    for (const [name, bytes] of release.files) writeFileSync(join(right, name), bytes);
    const run = recordedRun();
    const { rootfsPath } = await pull({ mirrors: [empty, pathToFileURL(wrong).href, right] }, run);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expect(server.requests).toEqual([]);
    expect(run.warnings.filter((line) => line.includes(ROOTFS))).toEqual([
      expect.stringContaining(`${empty}/${ROOTFS}: there is no such file`),
      expect.stringContaining(ROOTFS),
    ]);
    expectClean();
  });

  it("names every source when none has it", async () => {
    for (const path of server.files.keys()) server.files.set(path, Buffer.from("nothing"));
    const failure = await pull({ mirrors: [tempDirectory()] }).catch((error) => error);
    expect(failure.message).toBe("cannot fetch vmlinux-amd64.image from any of 2 sources");
    expect(failure.details).toHaveLength(2);
    expect(failure.code).toBe("not-fetched");
  });

  it("names the only source when that does not have it", async () => {
    server.files.clear();
    await expect(pull()).rejects.toMatchObject({
      message: `cannot fetch ${server.url}/images-v1/${KERNEL}: HTTP 404 Not Found`,
      code: "not-fetched",
    });
  });

  it("refuses a manifest whose files are at an address of another kind", async () => {
    const manifest = JSON.parse(JSON.stringify(release.manifest).replaceAll("http:", "ftp:"));
    await expect(pull({ manifest })).rejects.toThrow(
      /^the file's address "ftp:\/\/\S+" begins with ftp:, which is not supported: give a path/,
    );
  });

  /** Waits until the system's clock for files, which ticks every few milliseconds, has ticked since a file was made. */
  function laterThan(path: string): void {
    const changedAt = (file: string) => statSync(file, { bigint: true }).ctimeNs;
    const probe = join(cacheDir, "probe");
    do writeFileSync(probe, "");
    while (changedAt(probe) <= changedAt(path));
  }

  it.each([
    ["truncated", (path: string) => truncateSync(path, 1000)],
    ["written to", (path: string) => writeFileSync(path, "x", { flag: "r+" })],
    [
      "written to, with its old time",
      (path: string) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, "x", { flag: "r+" });
        utimesSync(path, atime, mtime);
      },
    ],
  ])("finds out that a cached file was %s, and fetches it again", async (_, spoil) => {
    const { rootfsPath } = await pull();
    const asked = () => server.requests.filter((request) => request.includes(ROOTFS)).length;
    const before = asked();
    laterThan(rootfsPath);
    spoil(rootfsPath);
    await pull();
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    // A busy machine may be asked twice for the same bytes.
    expect(asked()).toBeGreaterThan(before);
  });

  it("is done once when two want it at the same time", async () => {
    server.slowMs = 2;
    const paths = await Promise.all([pull(), pull(), pull()]);
    expect(new Set(paths.map(({ rootfsPath }) => rootfsPath)).size).toBe(1);
    expect(server.requests).toHaveLength(2);
    expectClean();
  });

  it("takes over from a process that was killed in the middle", async () => {
    const [row] = release.manifest.images;
    const directory = join(cacheDir, "sha256");
    mkdirSync(directory, { recursive: true });
    const gone = 2 ** 22 + 1;
    writeFileSync(join(directory, `${row!.rootfs_sha256}.lock`), `${gone} 12345`);
    writeFileSync(join(directory, `${row!.rootfs_sha256}.${gone}.partial`), "half");
    // The file was renamed already, and what is known of it was not written yet.
    writeFileSync(join(directory, row!.rootfs_sha256), "half");
    const { rootfsPath } = await pull();
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expect(await new Cache(cacheDir).leftovers()).toEqual([
      join(directory, `${row!.rootfs_sha256}.${gone}.partial`),
    ]);
  });

  it("is refused before the first byte when there is not room enough", async () => {
    const manifest: Manifest = JSON.parse(JSON.stringify(release.manifest));
    manifest.assets[ROOTFS]!.image_size = 2 ** 50;
    const tooLarge = / has \d+ MB free, but about \d+ MB are needed: free some space/;
    await expect(pull({ manifest })).rejects.toThrow(tooLarge);
    const kernel: Manifest = JSON.parse(JSON.stringify(release.manifest));
    kernel.assets[KERNEL]!.size = 2 ** 50;
    await expect(pull({ manifest: kernel })).rejects.toThrow(tooLarge);
    expect(server.requests).toEqual([]);
    // What is there needs no room.
    const there = await pull();
    expect(await pull({ manifest: kernel })).toMatchObject({ ...there, timings: {} });
  });

  it("ends when it is interrupted, and leaves nothing", async () => {
    server.slowMs = 5;
    const run = recordedRun();
    const pulled = pull({}, run).catch((error) => error);
    await expect.poll(() => server.requests.length).toBe(2);
    run.interrupt(new Error("stop"));
    expect((await pulled).message).toBe("stop");
    expect(entries().filter((name) => name.includes(".partial") || name.includes(".lock"))).toEqual([]);
  });
});

describe("the room that an image takes", () => {
  /** The number of MB that a pull says it needs, with these sizes of the root file system in the manifest. */
  const needed = async (sizes: object, assets = release.manifest.assets) => {
    const known = assets[ROOTFS] && { [ROOTFS]: { ...assets[ROOTFS], ...sizes } };
    const kernel = { ...assets[KERNEL]!, size: 2 ** 50 };
    const manifest = { ...release.manifest, assets: { ...assets, [KERNEL]: kernel, ...known } };
    const error: Error = await pull({ manifest }).catch((reason) => reason);
    return Number(/ but about (\d+) MB are needed/.exec(error.message)?.[1]) - 2 ** 50 / 1e6;
  };

  it.each<[string, number, object]>([
    ["of its files, and a little more, of a large image that is mostly empty", 1100, { content_size: 1e9 }],
    ["of the image at most", 4000, { content_size: 3.9e9 }],
    ["of the image, where the manifest does not have that of the files", 4000, {}],
  ])("is that %s", async (_, expected, sizes) => {
    expect(await needed({ image_size: 4e9, ...sizes })).toBeCloseTo(expected, -1);
  });

  it("is estimated where the manifest has nothing of it: that cannot be refused", async () => {
    const manifest = { ...release.manifest, assets: {} };
    expect((await pull({ manifest })).timings.downloadMs).toBeGreaterThan(0);
  });
});

describe("what was unpacked", () => {
  const spoilt = (wrong: object): Manifest => {
    const asset = { ...release.manifest.assets[ROOTFS]!, ...wrong };
    return { ...release.manifest, assets: { ...release.manifest.assets, [ROOTFS]: asset } };
  };

  it.each([
    ["size", { image_size: (3 << 20) + 1 }, `(${3 << 20} bytes, expected ${(3 << 20) + 1})`],
    ["hash", { image_sha256: "0".repeat(64) }, `, expected ${"0".repeat(64)})`],
  ])("is refused where its %s is another one than the manifest's", async (_, wrong, message) => {
    const error = await pull({ manifest: spoilt(wrong) }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({ failure: "download", code: "digest-mismatch" });
    expect(error.message).toContain(
      `${ROOTFS} has the expected sha256, but unpacked it is not what the manifest says (`,
    );
    expect(error.message).toContain(message);
    // The kernel alone.
    expect(entries()).toHaveLength(2);
  });

  it.each([{ image_size: 1 }, { image_sha256: "0".repeat(64) }])(
    "is not taken from the cache where it is not what the manifest says: %j",
    async (wrong) => {
      const { rootfsPath } = await pull();
      await expect(pull({ manifest: spoilt(wrong) })).rejects.toThrow("unpacked it is not what");
      // What is there is still right for the manifest that it came by.
      expect(await pull()).toMatchObject({ rootfsPath, timings: { downloadMs: 0 } });
    },
  );
});

describe("one file alone", () => {
  const options = () => ({ cacheDir, patience: FAST, run: silentRun() });
  const file = (name: string) => ({
    url: `${server.url}/images-v1/${name}`,
    sha256: createHash("sha256").update(release.files.get(name)!).digest("hex"),
  });

  it("is a root file system that is unpacked, where its name says that it is packed", async () => {
    const path = await ensureRootfs(file(ROOTFS), options());
    expect(readFileSync(path).equals(release.rootfs)).toBe(true);
    expect(await ensureRootfs(file(ROOTFS), options())).toBe(path);
    expect(server.requests).toHaveLength(1);
    // It is the same file that a pull by the manifest has.
    expect((await pull()).rootfsPath).toBe(path);
  });

  it("is a root file system that is not packed, from a server, a file: address and a path", async () => {
    const bytes = Buffer.from("an uncompressed root file system");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const local = join(tempDirectory(), "rootfs.ext4");
    writeFileSync(local, bytes);
    server.files.set("/rootfs.ext4", bytes);
    for (const url of [`${server.url}/rootfs.ext4`, pathToFileURL(local).href, local]) {
      cacheDir = tempDirectory();
      expect(readFileSync(await ensureRootfs({ url, sha256 }, options()))).toEqual(bytes);
    }
  });

  it("is not the packed file where the unpacked one is asked for: the name decides", async () => {
    const { url, sha256 } = file(ROOTFS);
    const plain = url.replace(".zst", "");
    server.files.set(new URL(plain).pathname, release.files.get(ROOTFS)!);
    const packedPath = await ensureRootfs({ url: plain, sha256 }, options());
    expect(readFileSync(packedPath)).toEqual(release.files.get(ROOTFS));
    expect(readFileSync(await ensureRootfs({ url, sha256 }, options())).equals(release.rootfs)).toBe(true);
  });

  it("is a kernel of the manifest, by VMM or by format, or any by its address", async () => {
    const from = { ...options(), manifest: release.manifest };
    const path = await ensureKernel({ arch: "amd64" }, from);
    expect(readFileSync(path)).toEqual(release.kernel);
    expect(await ensureKernel({ arch: "amd64", vmm: "firecracker", format: "image" }, from)).toBe(path);
    expect(await ensureKernel(file(KERNEL), options())).toBe(path);
    expect(server.requests).toHaveLength(1);
    await expect(ensureKernel({ arch: "amd64", vmm: "firecracker" }, from)).rejects.toThrow(
      "images-v1 has no kernel for amd64 (elf)",
    );
  });

  it("has other bytes, or is not there: an ImageError, which says that it is the download", async () => {
    const { url } = file(KERNEL);
    const wrong = await ensureKernel({ url, sha256: "0".repeat(64) }, options()).catch((reason) => reason);
    expect(wrong).toBeInstanceOf(ImageError);
    expect(wrong).toMatchObject({ failure: "download", code: "not-fetched" });
    expect(wrong.message).toMatch(/: its sha256 is [0-9a-f]{64}, expected 0{64}$/);
    const gone = await ensureRootfs({ ...file(ROOTFS), url: `${server.url}/gone.zst` }, options()).catch(
      (reason) => reason,
    );
    expect(gone).toMatchObject({ name: "ImageError", failure: "download", code: "not-fetched" });
    expect(readdirSync(join(cacheDir, "sha256"))).toEqual([]);
  });

  it("has an address and a sha256, or is refused before anything is fetched", async () => {
    for (const sha256 of ["", "abc", "A".repeat(64)]) {
      await expect(ensureRootfs({ ...file(ROOTFS), sha256 }, options())).rejects.toThrow(
        `sha256 "${sha256}" is not a sha256: give 64 lower-case hex digits`,
      );
    }
    await expect(ensureRootfs({ ...file(ROOTFS), url: "ftp://x/y.zst" }, options())).rejects.toThrow(
      /^url "ftp:\/\/x\/y\.zst" begins with ftp:/,
    );
    expect(server.requests).toEqual([]);
  });
});

describe("whether an image is published", () => {
  it("is what the manifest says, and what is not is no error", async () => {
    const { manifest } = release;
    expect(await isPublished(CODEX, { manifest })).toBe(true);
    for (const other of [
      { preset: "pi" },
      { arch: "arm64" },
      { vmm: "libkrun" },
      { flavor: "alpine" },
    ] as const) {
      expect(await isPublished({ ...CODEX, ...other }, { manifest })).toBe(false);
    }
  });

  it("cannot be said where the manifest cannot be read", async () => {
    await expect(isPublished(CODEX, { manifest: join(cacheDir, "none.json") })).rejects.toThrow(
      /^cannot read the manifest /,
    );
  });
});

describe("what this checkout has built", () => {
  /** Puts files of the release into a directory, and says in the manifest that they are there. */
  function built(...names: string[]): { manifest: Manifest; directory: string } {
    const directory = tempDirectory();
    let text = JSON.stringify(release.manifest);
    for (const name of names) {
      writeFileSync(join(directory, name), release.files.get(name)!);
      text = text.replaceAll(`${server.url}/images-v1/${name}`, pathToFileURL(join(directory, name)).href);
    }
    return { manifest: JSON.parse(text), directory };
  }

  it.each([
    ["the kernel", [KERNEL]],
    ["the image", [ROOTFS]],
    ["the kernel and the image", [KERNEL, ROOTFS]],
  ])("is said to be used, where that is %s", async (what, names) => {
    const { manifest, directory } = built(...names);
    const run = recordedRun();
    const { kernelPath, rootfsPath } = await pull({ manifest }, run);
    expect(run.steps[0]).toBe(`using ${what} built in this checkout: ${directory}`);
    expect(run.steps).toHaveLength(3);
    expect(readFileSync(kernelPath)).toEqual(release.kernel);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expect(server.requests).toHaveLength(2 - names.length);
  });

  it("and is damaged is to be built again; what comes from elsewhere cannot be", async () => {
    const { manifest, directory } = built(KERNEL);
    writeFileSync(join(directory, KERNEL), "a kernal");
    const advice = /^cannot fetch \S+vmlinux-amd64\.image: .*: rebuild its cell with .* --no-cache`$/;
    await expect(pull({ manifest })).rejects.toThrow(advice);
    writeFileSync(join(directory, KERNEL), release.kernel);
    server.files.delete(`/images-v1/${ROOTFS}`);
    await expect(pull({ manifest })).rejects.toThrow(/^cannot fetch \S+: HTTP 404(?!.*--no-cache)/);
  });

  it("is not to be built again because one has interrupted the work", async () => {
    const { manifest } = built(KERNEL, ROOTFS);
    const run = recordedRun();
    run.interrupt(new Error("Ctrl-C"));
    await expect(pull({ manifest }, run)).rejects.toThrow(/^Ctrl-C$/);
  });
});

describe("a mirror", () => {
  const mirror = async (...troubles: Trouble[]) => {
    const other = await FileServer.start();
    for (const [name, bytes] of release.files) other.files.set(`/${name}`, bytes);
    other.troubles.push(...troubles);
    return other;
  };
  const right = async (pulled: ReturnType<typeof pull>) => {
    const { kernelPath, rootfsPath } = await pulled;
    expect(readFileSync(kernelPath)).toEqual(release.kernel);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
  };
  const times = (count: number, trouble: Trouble) => Array<Trouble>(count).fill(trouble);

  it.each<[string, Trouble, RegExp]>([
    ["says nothing", { kind: "silence" }, /no byte came within 0\.3 s/],
    ["sends headers, and no byte", { kind: "stall", after: 0 }, /no byte came within 0\.3 s/],
    ["has trouble of its own each time", { kind: "status", status: 503 }, /HTTP 503/],
  ])("that %s is given up for the whole run, with one warning", async (_, trouble, why) => {
    const other = await mirror(...times(9, trouble));
    const run = recordedRun();
    await right(pull({ mirrors: [other.url] }, run));
    expect(run.warnings).toEqual([expect.stringMatching(/: .*; trying the next source$/)]);
    expect(run.warnings[0]).toMatch(why);
    // Whatever it was asked for, it was the kernel.
    expect(other.requests.filter((request) => request.includes(ROOTFS))).toEqual([]);
    if (trouble.kind !== "status") expect(other.requests).toHaveLength(1);
  });

  it("that nobody is at is given up as well; the address that comes last is asked for each file", async () => {
    const run = recordedRun();
    const gone = "http://127.0.0.1:60998";
    await right(pull({ mirrors: [gone] }, run));
    expect(run.warnings).toEqual([expect.stringMatching(/ECONNREFUSED.*; trying the next source$/)]);
    for (const path of server.files.keys()) server.files.delete(path);
    cacheDir = tempDirectory();
    const last = recordedRun();
    await expect(pull({ mirrors: [gone] }, last)).rejects.toThrow("from any of 2 sources");
    // After the last source there is none to try.
    expect(last.warnings).toEqual([expect.stringContaining("trying the next source")]);
  });

  it("that is given up is still named, with the reason, when no other source has the next file", async () => {
    server.files.delete(`/images-v1/${ROOTFS}`);
    const failure = await pull({ mirrors: ["http://127.0.0.1:60998"] }).catch((error) => error);
    const reason = "connect ECONNREFUSED 127.0.0.1:60998";
    expect(failure.details).toEqual([
      `- http://127.0.0.1:60998/${ROOTFS}: not tried again (${reason})`,
      `- ${server.url}/images-v1/${ROOTFS}: HTTP 404 Not Found`,
    ]);
  });

  it("is used with the default patience as well", async () => {
    const other = await mirror();
    await right(pull({ mirrors: [other.url], patience: undefined }));
    expect(server.requests).toEqual([]);
  });

  it("that lacks one file is asked for the next", async () => {
    const other = await mirror();
    other.files.delete(`/${KERNEL}`);
    await right(pull({ mirrors: [other.url] }));
    expect(other.requests).toEqual([`GET /${KERNEL}`, `GET /${ROOTFS}`]);
    expect(server.requests).toEqual([`GET /images-v1/${KERNEL}`]);
  });

  it.each<[string, Trouble]>([
    ["breaks off", { kind: "cut", after: 200_000 }],
    ["stalls", { kind: "stall", after: 200_000 }],
  ])("that %s again and again half-way is asked for the rest, and no other source is", async (_, trouble) => {
    const other = await mirror();
    const options = { mirrors: [other.url] };
    // The kernel is there already.
    other.troubles.push({ kind: "short", after: release.kernel.length }, trouble, trouble, trouble);
    await right(pull(options));
    expect(other.requests.filter((request) => request.includes("bytes="))).toHaveLength(3);
    expect(server.requests).toEqual([]);
  });

  it("that falls silent for good half-way is followed by the next source", async () => {
    const other = await mirror({ kind: "short", after: release.kernel.length });
    other.troubles.push({ kind: "stall", after: 200_000 }, ...times(9, { kind: "silence" }));
    await right(pull({ mirrors: [other.url] }));
    expect(other.requests).toHaveLength(3);
    expect(server.requests).toEqual([`GET /images-v1/${ROOTFS}`]);
  });

  it("has its files below its address, also where that has a query", async () => {
    const other = await mirror();
    for (const [name, bytes] of release.files) other.files.set(`/deep/er/${name}?key=1`, bytes);
    await right(pull({ mirrors: [`${other.url}/deep/er//?key=1`] }));
    expect(server.requests).toEqual([]);
  });

  it.each([
    [
      "ftp://x/y",
      '--mirror "ftp://x/y" begins with ftp:, which is not supported: give a path, or a file:, http: or https: address',
    ],
    ["", '--mirror "" is empty: give a path'],
    ["http://", '--mirror "http://" is not an address'],
    ["file:x", '--mirror "file:x" is not a file: address'],
    [
      "https://me:secret@example.com/",
      "--mirror has a user name or password before example.com, which is not supported",
    ],
    ["/dev/null", "--mirror /dev/null is a file: give the directory that has the release's files"],
  ])("%j is refused before anything is fetched", async (given, message) => {
    await expect(pull({ mirrors: [given] })).rejects.toThrow(message);
    expect(server.requests).toEqual([]);
  });
});

describe("unpacking", () => {
  /** Bytes that zstd reads to their end before it writes or fails: they fit into its first buffer. */
  const SMALL = packed(Buffer.alloc(1 << 20, "x"));
  const unpack = async (bytes: Buffer, target: string) => {
    const sink = unpackTo(target);
    sink.stream.end(bytes);
    await sink.done;
  };
  /** A full disk. The link is in the test's directory: nothing can harm the device. */
  const fullDisk = () => {
    const path = join(tempDirectory(), "full");
    symlinkSync("/dev/full", path);
    return path;
  };

  it("says what zstd has said of bytes that it cannot unpack", async () => {
    const path = join(tempDirectory(), "file");
    const error = await unpack(Buffer.alloc(1000, 1), path).catch((reason) => reason);
    expect(error).toMatchObject({ name: "PipelineError", code: "not-fetched" });
    expect(error.message).toMatch(/^zstd cannot unpack the file \(zstd: [^()]*unsupported format[^()]*\)$/);
    expect(error.message).not.toContain("\\n");
  });

  it.each([false, true])(
    "says that the disk is full, and tries no other source (zstd unpacks: %s)",
    async (unpacks) => {
      const mirror = tempDirectory();
      writeFileSync(join(mirror, "file"), SMALL);
      const target = fullDisk();
      const work = download(
        {
          remote: { url: `${server.url}/file`, sha256: undefined, size: undefined },
          ...{ mirrors: await mirrorsOf([mirror]), unpack: unpacks, patience: FAST },
        },
        target,
        silentRun(),
      );
      await expect(work).rejects.toMatchObject({
        message: `no space left for ${target}: make room`,
        code: "disk-full",
      });
      expect(server.requests).toEqual([]);
    },
  );

  it("says what to install where zstd is missing", async () => {
    const directory = tempDirectory();
    vi.stubEnv("PATH", directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(unpackTo(join(directory, "file")).done).rejects.toMatchObject({
      message: "zstd is not installed: install it (on Debian and Ubuntu `sudo apt-get install zstd`)",
      code: "program-missing",
    });
  });

  it("ends a pull with what to install where zstd is missing", async () => {
    vi.stubEnv("PATH", tempDirectory());
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(pull()).rejects.toMatchObject({ code: "program-missing" });
  });

  it("tries the next source where zstd fails between two pieces of a slow transfer", async () => {
    const other = await FileServer.start();
    other.files.set(`/${KERNEL}`, release.kernel);
    other.files.set(`/${ROOTFS}`, Buffer.alloc(release.files.get(ROOTFS)!.length, 1));
    // As over a network: zstd fails after the first pieces, and has no unread bytes when it ends.
    other.slowMs = 20;
    const run = recordedRun();
    const { rootfsPath } = await pull({ mirrors: [other.url] }, run);
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expect(run.warnings).toEqual([
      expect.stringMatching(/zstd cannot unpack the file .*; trying the next source$/),
    ]);
  });

  it("says why zstd cannot be started where it is not missing", async () => {
    const directory = tempDirectory();
    writeFileSync(join(directory, "zstd"), "", { mode: 0o644 });
    vi.stubEnv("PATH", directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(unpackTo(join(directory, "file")).done).rejects.toMatchObject({ code: "EACCES" });
  });
});

describe("what is not offered", () => {
  const refused = (query: object) =>
    pull().then(() => ensureImage({ ...CODEX, ...query }, { cacheDir, manifest: release.manifest }));
  it.each([
    [{ preset: "codx" }, 'images-v1 has no preset "codx"; it has: codex'],
    [{ flavor: "alpine" }, "codex is not offered on alpine at images-v1; it is offered on ubuntu"],
    [{ arch: "arm64" }, "images-v1 has no codex on ubuntu for arm64 and qemu; it has: amd64 for qemu"],
    [{ vmm: "libkrun" }, "images-v1 has no codex on ubuntu for amd64 and libkrun; it has: amd64 for qemu"],
  ])("%j is refused with what is", async (query, message) => {
    await expect(refused(query)).rejects.toThrow(message);
  });

  it("says why, where the manifest does", async () => {
    await expect(refused({ flavor: "void" })).rejects.toThrow(
      "codex is not offered on void: it needs glibc; it is offered on ubuntu",
    );
  });
});

describe("a lock", () => {
  it("is held by one at a time, and let go of when the work fails", async () => {
    const path = join(tempDirectory(), "lock");
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
    };
    await expect(withLock(path, silentRun(), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await Promise.all(Array.from({ length: 5 }, () => withLock(path, silentRun(), work)));
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it("of a process whose number another has now is taken over", async () => {
    const path = join(tempDirectory(), "lock");
    writeFileSync(path, `${process.pid} 1`);
    expect(await withLock(path, silentRun(), async () => "done")).toBe("done");
  });
});
