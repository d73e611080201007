/**
 * Measures how long a pull takes in addition to its download: `npm run bench -- pull [rounds]`. A loopback server sends an
 * image of 500 MB at 100 MB/s. The output shows the time between the last byte and the finished file.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";
import { fileURLToPath } from "node:url";
import { ensureImage } from "../pipeline/client/index.ts";
import type { Manifest } from "../pipeline/schema/manifest.ts";

const WIRE_MB = 500;
const LINE_BYTES_PER_S = 100e6;
const KERNEL = Buffer.from("a kernel");
const sha256Of = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const rounds = Number(process.argv[2] ?? 3);

const directory = mkdtempSync(join(tmpdir(), "smolvm-bench-"));
try {
  const asset = await makeAsset();
  for (let round = 0; round < rounds; round++) await measure(asset, join(directory, `cache-${round}`));
  const command = spawnSync(process.execPath, [
    fileURLToPath(new URL("../bin/smolvm.js", import.meta.url)),
    "images",
  ]);
  if (command.status !== 0) throw new Error(String(command.stderr));
  const started = performance.now();
  spawnSync(process.execPath, [fileURLToPath(new URL("../bin/smolvm.js", import.meta.url)), "images"]);
  console.log(
    `start of the command, until it has listed the images: ${((performance.now() - started) / 1000).toFixed(2)} s`,
  );
} finally {
  rmSync(directory, { recursive: true });
}

/** 500 MB of random bytes (incompressible), followed by as many zeros: 500 MB compressed, 1 GB unpacked. */
async function makeAsset(): Promise<{ path: string; sha256: string; size: number }> {
  const raw = join(directory, "rootfs");
  const file = openSync(raw, "w");
  for (let mb = 0; mb < WIRE_MB; mb++) writeSync(file, randomBytes(1e6));
  for (let mb = 0; mb < WIRE_MB; mb++) writeSync(file, Buffer.alloc(1e6));
  spawnSync("zstd", ["-q", "-3", "--long=27", raw]);
  rmSync(raw);
  const path = `${raw}.zst`;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return { path, sha256: hash.digest("hex"), size: statSync(path).size };
}

async function measure(
  { path, sha256, size }: { path: string; sha256: string; size: number },
  cacheDir: string,
): Promise<void> {
  const server = createServer((request, response) => {
    if (request.url === "/vmlinux.image") return void response.end(KERNEL);
    response.writeHead(200, { "content-length": size });
    createReadStream(path, { highWaterMark: 1 << 20 })
      .pipe(line())
      .pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const row = { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" } as const;
  const manifest: Manifest = {
    ...{ schema_version: 1, tag: "bench", repository: "bench/bench", kernels: [], bases: [] },
    ...{ assets: {}, refused: [] },
    images: [
      {
        ...{ ...row, kernel_url: `${address}/vmlinux.image`, kernel_sha256: sha256Of(KERNEL) },
        ...{ rootfs_url: `${address}/rootfs.ext4.zst`, rootfs_sha256: sha256 },
      },
    ],
  };
  const { timings } = await ensureImage(row, { cacheDir, manifest });
  const s = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  console.log(
    `lookup ${s(timings.lookupMs)}, download ${s(timings.downloadMs)}, verify+decompress ${s(timings.finishMs)}`,
  );
  server.close();
  rmSync(cacheDir, { recursive: true });
}

/** A stream that passes bytes on at LINE_BYTES_PER_S. */
function line(): Transform {
  const started = performance.now();
  let sent = 0;
  return new Transform({
    transform(chunk: Buffer, _, next) {
      sent += chunk.length;
      const due = started + (1000 * sent) / LINE_BYTES_PER_S;
      setTimeout(() => next(null, chunk), Math.max(0, due - performance.now()));
    },
  });
}
