import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PipelineError } from "./error.ts";
import { sha256File, tap } from "./hash.ts";
import { proxiedFetch } from "./http.ts";
import type { Run } from "./progress.ts";

/**
 * Brings a file (a path or an http(s) address) into the cache by its content and returns where it lies.
 * @throws PipelineError when its bytes are not the expected ones; the system's or fetch's error otherwise
 */
export async function fetchVerified(from: string, sha256: string, cache: string, run: Run): Promise<string> {
  const target = join(cache, sha256);
  // What lies there is believed as little as what comes.
  if ((await sha256File(target, run.signal).catch(() => undefined)) === sha256) return target;
  run.signal.throwIfAborted();
  await mkdir(cache, { recursive: true });
  const partial = `${target}.${process.pid}.partial`;
  try {
    const { stream, size } = await open(from, run.signal);
    const hash = createHash("sha256");
    const count = (done: number) => run.progress.bytes(done, size);
    await pipeline(stream, tap(hash, count), createWriteStream(partial), { signal: run.signal });
    const actual = hash.digest("hex");
    if (actual !== sha256) {
      throw new PipelineError(
        `${from} is not the expected file: its sha256 is ${actual}, expected ${sha256}; ` +
          "check the address, or give the right hash with --rootfs-sha256",
        { code: "digest-mismatch" },
      );
    }
    await rename(partial, target);
    return target;
  } finally {
    await rm(partial, { force: true });
  }
}

/** How long an archive may be silent, ms. */
const SILENCE_MS = 60_000;

async function open(from: string, signal: AbortSignal): Promise<{ stream: Readable; size: number }> {
  if (!/^https?:\/\//.test(from)) {
    const { size } = await stat(from);
    return { stream: createReadStream(from), size };
  }
  const response = await proxiedFetch(SILENCE_MS)(from, {
    signal,
    headers: { "accept-encoding": "identity" },
  });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status} ${response.statusText}`);
  return {
    stream: Readable.fromWeb(response.body as import("node:stream/web").ReadableStream),
    size: Number(response.headers.get("content-length") ?? 0),
  };
}
