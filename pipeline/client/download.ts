import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { errorCode, PipelineError } from "../util/error.ts";
import { tap } from "../util/hash.ts";
import { proxiedFetch, proxyVariable } from "../util/http.ts";
import { type Place, placeOf } from "../util/place.ts";
import type { Run } from "../util/progress.ts";
import { reasonOf } from "../util/reason.ts";
import type { Remote } from "./manifest.ts";
import { fileOf, type Mirror } from "./mirrors.ts";

/** How patient a download is. */
export interface Patience {
  /** How often it is tried again without a byte more than before. */
  readonly attempts: number;
  /** The first wait; each further one is twice as long, ms. */
  readonly firstMs: number;
  /** How long a server may be silent, ms. */
  readonly silenceMs: number;
  /** How long a source may go without a byte, all its attempts together, where another comes after it, ms. */
  readonly nextMs: number;
}

/** The waits of all attempts fit into `nextMs`: a mirror that has a moment's trouble is not given up. */
const PATIENCE: Patience = { attempts: 5, firstMs: 500, silenceMs: 30_000, nextMs: 9_000 };

export interface DownloadOptions {
  /** A file; without a hash it is taken as it comes. */
  readonly remote: Omit<Remote, "sha256"> & { readonly sha256: string | undefined };
  /** Tried in their order before the manifest's own address. One that does not answer is marked as given up. */
  readonly mirrors: readonly Mirror[];
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
  const own: Source = { place: placeOf("the file's address", remote.url) };
  const name = basename(new URL(remote.url).pathname);
  const sources = [...mirrors.map((mirror): Source => ({ place: fileOf(mirror, name), mirror })), own];
  const failures: string[] = [];
  for (const source of sources) {
    const { mirror, place } = source;
    const where = place.kind === "path" ? place.path : place.url;
    if (mirror?.givenUp !== undefined) {
      failures.push(`${where}: not asked again (${mirror.givenUp})`);
      continue;
    }
    try {
      return await unchanged(() => from(source, options, target, run));
    } catch (error) {
      run.signal.throwIfAborted();
      if (error instanceof PipelineError && !(error instanceof NotFromHere)) throw error;
      const why = reasonOf(error instanceof NotFromHere ? new Error(error.message) : error);
      if (mirror && error instanceof Unavailable) mirror.givenUp = why;
      failures.push(`${where}: ${why}`);
      if (source !== own) run.progress.warn(`${failures.at(-1)}; trying the next source`);
    }
  }
  const code = "not-fetched";
  if (failures.length === 1) throw new NotFetched(`cannot fetch ${failures[0]}`, { code });
  throw new NotFetched(`cannot fetch ${name} from any of ${failures.length} sources`, {
    code,
    details: failures.map((failure) => `- ${failure}`),
  });
}

/** No source has the right bytes. */
export class NotFetched extends PipelineError {}

/** Where a file may be had; the release's own address is no mirror, and comes last. */
interface Source {
  readonly place: Place;
  readonly mirror?: Mirror;
}

/** A source that has not what is wanted; the next one may. */
class NotFromHere extends PipelineError {}

/** A source that does not answer, or not in time: it would not have other files either. */
class Unavailable extends NotFromHere {}

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

async function from(
  { place, mirror }: Source,
  options: DownloadOptions,
  target: string,
  run: Run,
): Promise<Downloaded> {
  const { remote, unpack, patience = PATIENCE } = options;
  const started = performance.now();
  const hash = createHash("sha256");
  let wireSize = 0;
  let cameAt = started;
  const bytes =
    place.kind === "path"
      ? fromDisk(place.path)
      : overHttp(place.url, { size: remote.size, patience, nextMs: mirror && patience.nextMs }, run);
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
    if (errorCode(error) === "EPIPE" && said) throw said;
    if (error instanceof Error && "path" in error && error.path === target) throw unwritable(target, error);
    throw errorCode(error) === "ENOSPC" ? unwritable(target, error) : error;
  }
  await sink.done;
  const actual = hash.digest("hex");
  if (remote.sha256 !== undefined && actual !== remote.sha256) {
    throw new NotFromHere(`its sha256 is ${actual}, and the manifest says ${remote.sha256}`);
  }
  return { wireSize, downloadMs: cameAt - started, finishMs: performance.now() - cameAt };
}

/** This machine's trouble: no other source mends it. */
const unwritable = (target: string, cause: unknown) =>
  errorCode(cause) === "ENOSPC"
    ? noSpace(target, cause)
    : new PipelineError(`cannot write ${target}: ${reasonOf(cause)}`, { code: "not-writable", cause });

const noSpace = (target: string, cause?: unknown) =>
  new PipelineError(`no space left for ${target}`, { code: "disk-full", fix: "make room", cause });

async function* fromDisk(path: string): AsyncGenerator<Buffer> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) throw new NotFromHere("there is no such file");
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const chunks = file[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((cause: unknown) => {
      throw new NotFromHere(`it cannot be read: ${reasonOf(cause)}`, { cause });
    });
    if (next.done) return;
    yield next.value;
  }
}

/**
 * The bytes of an address. Where they break off, or do not come for `nextMs` (where that is given), the rest is asked
 * for, as long as it is the same file; who then is silent for as long again is given up.
 */
async function* overHttp(
  url: string,
  { size, patience, nextMs }: { size: number | undefined; patience: Patience; nextMs: number | undefined },
  run: Run,
): AsyncGenerator<Uint8Array> {
  const { attempts, firstMs, silenceMs } = patience;
  const get = proxiedFetch(silenceMs);
  let tooLong = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const waitForByte = () => {
    if (nextMs !== undefined) timer = setTimeout(() => tooLong.abort(), nextMs);
  };
  let done = 0;
  /** How many bytes had come when it was silent for too long. */
  let silentAt = 0;
  let validator: string | undefined;
  /** Whether anybody has answered: an address that nobody is at is not waited for long. */
  let reached = false;
  waitForByte();
  try {
    for (let failed = 0; ; ) {
      const before = done;
      const signal = AbortSignal.any([run.signal, tooLong.signal]);
      try {
        const headers =
          done > 0 ? { range: `bytes=${done}-`, ...(validator ? { "if-range": validator } : {}) } : {};
        // A server that compresses on the way would have its own idea of how many bytes there are.
        const response = await get(url, { signal, headers: { ...headers, "accept-encoding": "identity" } });
        reached = true;
        if (!response.ok || !response.body) throw statusError(response.status);
        const skip = response.status === 206 ? 0 : done;
        const etag = response.headers.get("etag");
        if (validator !== undefined && etag !== validator)
          throw new Changed("it changed while it was fetched");
        // A weak one (W/"…") does not say that the bytes are the same.
        if (etag?.startsWith('"')) validator = etag;
        const total = totalOf(response, done);
        let seen = 0;
        for await (const chunk of response.body) {
          // While whoever takes the bytes is slow, the source is not.
          clearTimeout(timer);
          const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, skip - seen)));
          seen += chunk.length;
          done += fresh.length;
          if (fresh.length > 0) yield fresh;
          waitForByte();
        }
        if (done >= (size ?? total ?? done)) return;
        throw new Error(`it ended after ${done} of ${size ?? total} bytes`);
      } catch (error) {
        run.signal.throwIfAborted();
        if (error instanceof PipelineError || error instanceof Changed) throw error;
        failed = done > before ? 1 : failed + 1;
        if (tooLong.signal.aborted) {
          if (done === silentAt) throw silent(nextMs, error);
          silentAt = done;
          tooLong = new AbortController();
          waitForByte();
          continue;
        }
        if (failed >= (reached ? attempts : Math.min(attempts, 2)))
          throw new Unavailable(unreachable(error), { cause: error });
        await pause(firstMs * 2 ** (failed - 1), undefined, { signal }).catch((reason: unknown) => {
          run.signal.throwIfAborted();
          throw silent(nextMs, reason);
        });
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

const silent = (ms = 0, cause: unknown) => new Unavailable(`no byte came within ${ms / 1000} s`, { cause });

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

function unreachable(error: unknown): string {
  const proxy = proxyVariable();
  return `${reasonOf(error)}${proxy ? `, through the proxy that ${proxy} names` : ""}`;
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
          ? new PipelineError("zstd is missing", {
              code: "program-missing",
              fix: "install it (on Debian and Ubuntu `sudo apt-get install zstd`)",
            })
          : error,
      ),
    );
    child.once("close", (code) => {
      if (code === 0) return resolve();
      if (/no space left/i.test(said)) return reject(noSpace(target));
      reject(new NotFromHere(`zstd cannot unpack it (${said.trim().split("\n").at(-1) ?? code})`));
    });
  });
  return { stream: child.stdin, done };
}
