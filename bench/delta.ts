/**
 * Measures what a second image costs a user: `npm run bench:delta [HAVE WANT]`. HAVE and WANT are assets of the pipeline
 * (`out/release/TAG/base-amd64-rootfs.ext4.zst`); without them, two assets are generated. A loopback server sends WANT
 * whole, and then the parts of it that HAVE, in the cache, does not have. The output shows the bytes that were sent, the
 * time, and the peak memory of the client.
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ensureBase, ensureImage } from "../pipeline/client/index.ts";
import { ZSTD_WINDOW_LOG } from "../pipeline/schema/defaults.ts";
import { encodeTable, type Frame, skippableFrame, tableFrame } from "../pipeline/schema/frames.ts";
import type { Asset, Manifest } from "../pipeline/schema/manifest.ts";
import { sha256File } from "../pipeline/util/hash.ts";

/** An asset on this machine. */
interface Local {
  readonly path: string;
  readonly asset: Asset;
}

/** What a pull of WANT took. */
interface Pulled {
  readonly ms: number;
  readonly peakMib: number;
}

const MIB = 1 << 20;
const KERNEL = Buffer.from("a kernel");
const WANT = "want-rootfs.ext4.zst";
const HAVE = "have-rootfs.ext4.zst";
const NO_SBOM = { asset: "none", sha256: "0".repeat(64), size: 1 };
const sha256Of = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const s = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

const args = process.argv.slice(2);
if (args[0] === "pull") await pull(args[1]!, args[2]!, args[3] === "have");
else await compare(args);

async function compare(paths: readonly string[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-bench-"));
  try {
    const [have, want] =
      paths.length === 2
        ? await Promise.all(paths.map(existing))
        : generated().map((parts, index) => assetOf(parts, join(directory, `${index}.zst`)));
    const { url, sent, close } = await serve(
      new Map([
        ["want", want!],
        ["have", have!],
      ]),
    );
    const manifest = join(directory, "manifest.json");
    writeFileSync(manifest, JSON.stringify(manifestOf(url, have!.asset, want!.asset)));
    const image = join(directory, "image");
    const zstd = ["-d", "-q", "-f", "--sparse", `--long=${ZSTD_WINDOW_LOG}`, "-o", image];
    const started = performance.now();
    command("zstd", [...zstd, want!.path]);
    const zstdMs = performance.now() - started;
    if ((await sha256File(image)) !== want!.asset.image_sha256)
      throw new Error("the image has another sha256");
    const decompressMs = performance.now() - started;
    rmSync(image);
    const caches = [join(directory, "whole"), join(directory, "delta")] as const;
    const whole = { sent: 0, ...(await child(manifest, caches[0], "none")) };
    whole.sent = sent();
    await child(manifest, caches[1], "have");
    sent();
    const delta = { sent: 0, ...(await child(manifest, caches[1], "none")) };
    delta.sent = sent();
    close();
    const row = (name: string, { sent: bytes, ms, peakMib }: Pulled & { sent: number }) =>
      console.log(
        `${name}: ${mb(bytes)} sent, ${s(ms)} (${(ms / decompressMs).toFixed(2)} of decompressing and hashing it), peak memory ${peakMib} MiB`,
      );
    console.log(
      `decompressing ${mb(want!.asset.size)} with zstd: ${s(zstdMs)}, and hashing the image: ${s(decompressMs)} together`,
    );
    row("pull of the whole file", whole);
    row("pull with the other image in the cache", delta);
    console.log(`share of the bytes: ${(delta.sent / whole.sent).toFixed(3)}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Pulls in this process, and prints what it took. With `have`, HAVE is pulled, or else WANT. */
async function pull(manifest: string, cacheDir: string, have: boolean): Promise<void> {
  const options = { cacheDir, manifest: JSON.parse(readFileSync(manifest, "utf8")) as Manifest };
  const started = performance.now();
  const query = { arch: "amd64", flavor: "ubuntu" } as const;
  await (have ? ensureBase(query, options) : ensureImage({ preset: "want", ...query }, options));
  const pulled: Pulled = {
    ms: performance.now() - started,
    // Not that of `resourceUsage`, in which a process begins with the peak of the one that started it.
    peakMib: Math.round(
      Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024,
    ),
  };
  console.log(JSON.stringify(pulled));
}

/** A pull in a process of its own, whose memory is its own. */
async function child(manifest: string, cache: string, what: "have" | "none"): Promise<Pulled> {
  const file = fileURLToPath(import.meta.url);
  const run = await promisify(execFile)(process.execPath, [
    "--import",
    "tsx",
    file,
    "pull",
    manifest,
    cache,
    what,
  ]);
  return JSON.parse(run.stdout) as Pulled;
}

/** An asset of the pipeline, as its own bytes say: zstd's seek table is its end, and the table of frames is before that. */
async function existing(path: string): Promise<Local> {
  const { size } = statSync(path);
  const file = await open(path);
  const read = async (at: number, count: number) =>
    (await file.read(Buffer.alloc(count), 0, count, at)).buffer;
  const seekTable = size - 9 - (await read(size - 9, 4)).readUInt32LE() * 8 - 8;
  const sizes = await read(seekTable + 8, size - 9 - seekTable - 8);
  let [offset, imageSize] = [8, 0];
  for (let at = 0; at < sizes.length; at += 8) {
    offset += sizes.readUInt32LE(at);
    imageSize += sizes.readUInt32LE(at + 4);
  }
  const table = await read(offset, seekTable - offset);
  await file.close();
  const unpacking = spawn("zstd", ["-d", "-q", "-c", `--long=${ZSTD_WINDOW_LOG}`, path]);
  const image = createHash("sha256");
  for await (const chunk of unpacking.stdout) image.update(chunk as Buffer);
  const asset = {
    ...{ sha256: await sha256File(path), size, image_sha256: image.digest("hex"), image_size: imageSize },
    ...{ sbom: NO_SBOM, frames: { offset, size: table.length, sha256: sha256Of(table) } },
  };
  return { path, asset };
}

/** The frames of two images: both have 256 MiB in common, the second has 192 MiB of its own; the rest is empty. */
function generated(): [Buffer[], Buffer[]] {
  const common = Array.from({ length: 32 }, () => data(8));
  const zeros = Array.from({ length: 8 }, () => Buffer.alloc(128 * MIB));
  const own = Array.from({ length: 12 }, () => data(16));
  return [
    [data(4), ...common, ...zeros],
    [data(4), ...common.slice(0, 20), ...own, ...common.slice(20), ...zeros],
  ];
}

/** Bytes of which 40 % are random and the rest are repeated. */
function data(mib: number): Buffer {
  const bytes = randomBytes(mib * MIB);
  const pattern = randomBytes(4096);
  for (let at = 0; at < bytes.length; at += 4096) pattern.copy(bytes, at + 1600, 1600);
  return bytes;
}

function assetOf(parts: readonly Buffer[], path: string): Local {
  const made = parts.map((part): Frame & { bytes: Buffer } => {
    const bytes = command("zstd", ["-q", "-3", "-c"], part);
    return { sha256: sha256Of(part), size: bytes.length, imageSize: part.length, bytes };
  });
  const table = encodeTable(made);
  const frames = Buffer.concat(made.map(({ bytes }) => bytes));
  const bytes = Buffer.concat([frames, tableFrame(table), skippableFrame(0x184d2a5e, Buffer.alloc(9))]);
  writeFileSync(path, bytes);
  const image = createHash("sha256");
  for (const part of parts) image.update(part);
  const asset = {
    ...{ sha256: sha256Of(bytes), size: bytes.length, image_sha256: image.digest("hex") },
    image_size: parts.reduce((sum, part) => sum + part.length, 0),
    sbom: NO_SBOM,
    frames: { offset: frames.length + 8, size: table.length, sha256: sha256Of(table) },
  };
  return { path, asset };
}

function manifestOf(url: string, have: Asset, want: Asset): Manifest {
  const kernel = { url: `${url}/kernel`, sha256: sha256Of(KERNEL) };
  const query = { arch: "amd64", flavor: "ubuntu" } as const;
  return {
    ...{ schema_version: 1, tag: "bench", repository: "bench/bench", refused: [] },
    kernels: [{ arch: "amd64", format: "image", ...kernel }],
    bases: [{ ...query, rootfs_url: `${url}/${HAVE}`, rootfs_sha256: have.sha256 }],
    images: [
      {
        ...{ preset: "want", vmm: "qemu", ...query, kernel_url: kernel.url, kernel_sha256: kernel.sha256 },
        ...{ rootfs_url: `${url}/${WANT}`, rootfs_sha256: want.sha256 },
      },
    ],
    assets: { [HAVE]: have, [WANT]: want },
  };
}

/** Serves the files, whole or in parts. `sent` returns the bytes that were sent since its last call. */
async function serve(files: ReadonlyMap<string, Local>) {
  let count = 0;
  const server = createServer((request, response) => {
    const file = files.get(/^\/(want|have)-/.exec(request.url ?? "")?.[1] ?? "");
    if (!file) return void response.end(KERNEL);
    const { size } = statSync(file.path);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const [start, end] = first === undefined ? [0, size - 1] : [Number(first), Number(last)];
    response.writeHead(first === undefined ? 200 : 206, {
      "content-length": end - start + 1,
      ...(first === undefined ? {} : { "content-range": `bytes ${start}-${end}/${size}` }),
    });
    count += end - start + 1;
    createReadStream(file.path, { start, end, highWaterMark: MIB }).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sent = () => {
    const bytes = count;
    count = 0;
    return bytes;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    close: () => server.close(),
  };
}

function command(name: string, argv: readonly string[], input?: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync(name, argv, { input, maxBuffer: 1 << 29 });
  if (status !== 0) throw new Error(String(stderr));
  return stdout;
}
