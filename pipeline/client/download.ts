import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { errorCode, innermost, PipelineError } from "../schema/error.ts";
import { tap } from "../schema/hash.ts";
import { proxiedFetch, proxyVariable } from "../schema/http.ts";
import type { Run } from "../schema/progress.ts";
import type { Remote } from "./manifest.ts";

/** How patient a download is. */
export interface Patience {
  /** How often it is tried again without a byte more than before. */
  readonly attempts: number;
  /** The first wait; each further one is twice as long, ms. */
  readonly firstMs: number;
  /** How long a server may be silent, ms. */
  readonly silenceMs: number;
}

const PATIENCE: Patience = { attempts: 5, firstMs: 500, silenceMs: 30_000 };

export interface DownloadOptions {
  /** A file; without a hash it is taken as it comes. */
  readonly remote: Omit<Remote, "sha256"> & { readonly sha256: string | undefined };
  /** Addresses (http, https, file) and directories that are tried before the manifest's own address. */
  readonly mirrors: readonly string[];
  /** Whether what comes is zstd, and is to be unpacked. */
  readonly unpack: boolean;
  readonly patience?: Patience | undefined;
}

/** How long it took, ms: until the last byte had come, and from then until the file was ready. */
export interface Downloaded {
  readonly wireSize: number;
  readonly downloadMs: number;
  readonly finishMs: number;
}

/**
 * Brings a file to `target`: what it must hash to is known beforehand, so any server will do. The bytes are hashed and
 * unpacked while they come, and nothing but the result is written, with holes where it is empty.
 * @throws PipelineError when no source has the right bytes
 */
export async function download(options: DownloadOptions, target: string, run: Run): Promise<Downloaded> {
  const { remote, mirrors } = options;
  const name = basename(new URL(remote.url).pathname);
  const sources = [...mirrors.map((mirror) => below(mirror, name)), remote.url];
  const failures: string[] = [];
  for (const source of sources) {
    try {
      return await unchanged(() => from(source, options, target, run));
    } catch (error) {
      run.signal.throwIfAborted();
      if (
        errorCode(error) === "ENOSPC" ||
        (error instanceof PipelineError && !(error instanceof NotFromHere))
      )
        throw error;
      failures.push(`${source}: ${(error as Error).message}`);
      if (sources.length > 1) run.progress.warn(`${failures.at(-1)}; trying the next source`);
    }
  }
  if (failures.length === 1) throw new PipelineError(`cannot fetch ${failures[0]}`);
  throw new PipelineError(`cannot fetch ${name} from any of ${failures.length} sources`, {
    details: failures.map((failure) => `- ${failure}`),
  });
}

/** A source that has not what is wanted; the next one may. */
class NotFromHere extends PipelineError {}

/** The file has become another while it was fetched. */
class Changed extends Error {}

/** What has changed meanwhile is fetched from its beginning, once. */
async function unchanged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Changed)) throw error;
    return await work();
  }
}

/** A file of a mirror: a directory of files, at an address or on disk. */
function below(mirror: string, name: string): string {
  return `${mirror.replace(/\/+$/, "")}/${name}`;
}

async function from(source: string, options: DownloadOptions, target: string, run: Run): Promise<Downloaded> {
  const { remote, unpack, patience = PATIENCE } = options;
  const started = performance.now();
  const hash = createHash("sha256");
  let wireSize = 0;
  let cameAt = started;
  const bytes = isAddress(source) ? overHttp(source, remote.size, patience, run) : fromDisk(source);
  const watched = async function* () {
    for await (const chunk of bytes) {
      wireSize += chunk.length;
      if (remote.size !== undefined && wireSize > remote.size) {
        throw new NotFromHere(`it has more than the ${remote.size} bytes that the manifest says`);
      }
      run.progress.bytes(wireSize, remote.size ?? 0);
      yield chunk;
    }
    cameAt = performance.now();
  };
  const sink = unpack ? unpacker(target) : { stream: createWriteStream(target), done: Promise.resolve() };
  try {
    const stream = Readable.from(watched(), { objectMode: false });
    await pipeline(stream, tap(hash), sink.stream, { signal: run.signal });
  } catch (error) {
    // It is zstd that knows why it takes no more.
    const said = await sink.done.catch((reason) => reason);
    throw errorCode(error) === "EPIPE" ? (said ?? error) : error;
  }
  await sink.done;
  const actual = hash.digest("hex");
  if (remote.sha256 !== undefined && actual !== remote.sha256) {
    throw new NotFromHere(`its sha256 is ${actual}, and the manifest says ${remote.sha256}`);
  }
  return { wireSize, downloadMs: cameAt - started, finishMs: performance.now() - cameAt };
}

const isAddress = (source: string) => /^https?:/.test(source);

async function* fromDisk(source: string): AsyncGenerator<Buffer> {
  const path = source.startsWith("file:") ? fileURLToPath(source) : source;
  if (!(await stat(path).catch(() => undefined))?.isFile()) throw new NotFromHere("there is no such file");
  yield* createReadStream(path, { highWaterMark: 1 << 20 });
}

/** The bytes of an address. Where they break off, the rest is asked for, as long as it is the same file. */
async function* overHttp(
  url: string,
  size: number | undefined,
  { attempts, firstMs, silenceMs }: Patience,
  run: Run,
): AsyncGenerator<Uint8Array> {
  const get = proxiedFetch(silenceMs);
  let done = 0;
  let validator: string | undefined;
  /** Whether anybody has answered: an address that nobody is at is not waited for long. */
  let reached = false;
  for (let failed = 0; ; ) {
    const before = done;
    try {
      const headers =
        done > 0 ? { range: `bytes=${done}-`, ...(validator ? { "if-range": validator } : {}) } : {};
      // A server that compresses on the way would have its own idea of how many bytes there are.
      const response = await get(url, {
        signal: run.signal,
        headers: { ...headers, "accept-encoding": "identity" },
      });
      reached = true;
      if (!response.ok || !response.body) throw statusError(response.status);
      const skip = response.status === 206 ? 0 : done;
      const etag = response.headers.get("etag");
      if (validator !== undefined && etag !== validator) throw new Changed("it changed while it was fetched");
      // A weak one (W/"…") does not say that the bytes are the same.
      if (etag?.startsWith('"')) validator = etag;
      const total = totalOf(response, done);
      let seen = 0;
      for await (const chunk of response.body) {
        const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, skip - seen)));
        seen += chunk.length;
        done += fresh.length;
        if (fresh.length > 0) yield fresh;
      }
      if (done >= (size ?? total ?? done)) return;
      throw new Error(`it ended after ${done} of ${size ?? total} bytes`);
    } catch (error) {
      run.signal.throwIfAborted();
      if (error instanceof NotFromHere || error instanceof Changed) throw error;
      failed = done > before ? 1 : failed + 1;
      if (failed >= (reached ? attempts : Math.min(attempts, 2)))
        throw new NotFromHere(unreachable(error as Error), { cause: error });
      await setTimeout(firstMs * 2 ** (failed - 1), undefined, { signal: run.signal });
    }
  }
}

/** The length of the whole file, as an answer tells it. */
function totalOf(response: { headers: { get(name: string): string | null }; status: number }, done: number) {
  const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  const length = response.headers.get("content-length");
  if (range) return Number(range);
  return length === null ? undefined : Number(length) + (response.status === 206 ? done : 0);
}

/** What is not there, or not for us, is not asked for again. */
function statusError(status: number): Error {
  const message = `HTTP ${status}`;
  return status >= 500 || status === 408 || status === 429 ? new Error(message) : new NotFromHere(message);
}

function unreachable(error: Error): string {
  const proxy = proxyVariable();
  return `${innermost(error).message}${proxy ? `, through the proxy that ${proxy} names` : ""}`;
}

/** zstd, which writes holes for zeros. */
function unpacker(target: string): { stream: Writable; done: Promise<void> } {
  const child = spawn("zstd", ["-d", "-q", "-f", "--sparse", "--long=27", "-o", target, "-"], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const done = new Promise<void>((resolve, reject) => {
    child.once("error", (error) =>
      reject(
        errorCode(error) === "ENOENT"
          ? new PipelineError(
              "zstd is missing: install it (on Debian and Ubuntu `sudo apt-get install zstd`)",
            )
          : error,
      ),
    );
    child.once("close", (code) => {
      if (code === 0) return resolve();
      if (/no space left/i.test(said))
        return reject(new PipelineError(`no space left for ${target}: make room`));
      reject(new NotFromHere(`zstd cannot unpack it (${said.trim().split("\n").at(-1) ?? code})`));
    });
  });
  return { stream: child.stdin, done };
}
