import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { Cache } from "../../pipeline/client/cache.ts";
import { withLock } from "../../pipeline/client/lock.ts";
import { ensureBase, ensureImage, type PullOptions } from "../../pipeline/client/pull.ts";
import { readCells } from "../../pipeline/runtime/cells.ts";
import type { Manifest } from "../../pipeline/schema/manifest.ts";
import type { Run } from "../../pipeline/schema/progress.ts";
import { FileServer, type Trouble } from "../support/file-server.ts";
import { REPOSITORY } from "../support/project.ts";
import { ReleaseFiles, rootfsBytes } from "../support/release-files.ts";
import { recordedRun, tempDirectory } from "../support/run.ts";
import { silentRun } from "../support/silent.ts";

const CODEX = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;
const ROOTFS = "codex-amd64-ubuntu-rootfs.ext4.zst";
const FAST = { attempts: 4, firstMs: 1, silenceMs: 400 };

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
      /its sha256 is [0-9a-f]{64}, and the manifest says|zstd cannot unpack it/,
    ],
    [
      "more bytes",
      (path) => server.files.set(path, Buffer.concat([server.files.get(path)!, Buffer.alloc(10)])),
      /it has more than the \d+ bytes that the manifest says/,
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
  });

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
    spoil(rootfsPath);
    await pull();
    expect(readFileSync(rootfsPath).equals(release.rootfs)).toBe(true);
    expect(server.requests.filter((request) => request.includes(ROOTFS))).toHaveLength(2);
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
    const [row] = manifest.images as { rootfs_size: number }[];
    row!.rootfs_size = 2 ** 50;
    await expect(pull({ manifest })).rejects.toThrow(
      / has \d+ MB free, and about \d+ MB are needed: make room/,
    );
    expect(server.requests).toEqual([]);
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

describe("what is not offered", () => {
  const refused = (query: object) =>
    pull().then(() => ensureImage({ ...CODEX, ...query }, { cacheDir, manifest: release.manifest }));
  it.each([
    [{ preset: "codx" }, 'images-v1 has no preset "codx"; it has: codex'],
    [{ flavor: "alpine" }, "codex is not offered on alpine at images-v1; it is on ubuntu"],
    [{ arch: "arm64" }, "images-v1 has no codex on ubuntu for arm64 and qemu; it has: amd64 for qemu"],
    [{ vmm: "libkrun" }, "images-v1 has no codex on ubuntu for amd64 and libkrun; it has: amd64 for qemu"],
  ])("%j is refused with what is", async (query, message) => {
    await expect(refused(query)).rejects.toThrow(message);
  });

  // The reasons are this package's own: whatever its tree says at present.
  const refusals = Object.entries(readCells(REPOSITORY).refused).flatMap(([preset, reasons]) =>
    Object.entries(reasons).map(([flavor, reason]) => ({ preset, flavor, reason })),
  );
  it.each(refusals.filter(({ flavor }) => flavor !== "ubuntu"))(
    "says why $preset is refused on $flavor",
    async ({ preset, flavor, reason }) => {
      const manifest: Manifest = JSON.parse(
        JSON.stringify(release.manifest).replaceAll('"codex"', `"${preset}"`),
      );
      await expect(ensureImage({ ...CODEX, preset, flavor }, { cacheDir, manifest })).rejects.toThrow(
        `${preset} is not offered on ${flavor}: ${reason}; it is on ubuntu`,
      );
    },
  );
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

it("a large image is unpacked in little memory", async () => {
  const large = new ReleaseFiles(server.url, "images-v3", rootfsBytes(192));
  for (const [name, bytes] of large.files) server.files.set(`/images-v3/${name}`, bytes);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 5);
  await pull({ manifest: large.manifest });
  clearInterval(watch);
  expect(most).toBeLessThan(48 << 20);
});
