import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorCode, isFileError, PipelineError } from "../error.ts";
import { tap } from "../hash.ts";
import type { Place } from "../place.ts";
import type { Run } from "../progress.ts";
import { reasonOf } from "../reason.ts";
import { fromDisk } from "./disk.ts";
import { Changed, type HttpOptions, overHttp } from "./http.ts";
import { PATIENCE, type Patience } from "./patience.ts";
import { SourceError } from "./source.ts";

export interface DownloadRequest extends Pick<HttpOptions, "giveUpMs"> {
  readonly from: Place;
  /** Of the bytes as they come. @default they are taken as they come */
  readonly sha256?: string | undefined;
  /** How many bytes there are. @default what the source says */
  readonly size?: number | undefined;
  /** How many bytes are taken at most, where `size` is not known. @default as many as come */
  readonly most?: number | undefined;
  /** @default PATIENCE */
  readonly patience?: Partial<Patience> | undefined;
}

/** Where bytes go: a stream, and what is known when it has taken them all. */
export interface Sink {
  readonly stream: Writable;
  /** Resolves when all is written; rejects, with the error to throw, when the bytes cannot be used. */
  readonly done: Promise<void>;
  /** The file that is written, for errors. */
  readonly path: string;
}

/** How long it took, ms: until the last byte had come, and from then until the file was ready. */
export interface Downloaded {
  readonly wireSize: number;
  readonly downloadMs: number;
  readonly finishMs: number;
}

/** Writes bytes to a file as they come. */
export const toFile = (path: string): Sink => ({
  stream: createWriteStream(path),
  done: Promise.resolve(),
  path,
});

/**
 * Brings bytes from a place into a sink. They are counted and hashed while they come; where a connection breaks, the rest
 * is asked for. What has changed meanwhile is fetched from its beginning, once, into another sink.
 * @throws SourceError when the place does not have the right bytes
 * @throws PipelineError when they cannot be written
 */
export async function download(request: DownloadRequest, sink: () => Sink, run: Run): Promise<Downloaded> {
  try {
    return await once(request, sink, run);
  } catch (error) {
    if (!(error instanceof Changed)) throw error;
  }
  try {
    return await once(request, sink, run);
  } catch (error) {
    throw error instanceof Changed ? new SourceError(error.message, { cause: error }) : error;
  }
}

async function once(request: DownloadRequest, open: () => Sink, run: Run): Promise<Downloaded> {
  const { from, sha256, size, most, giveUpMs } = request;
  const started = performance.now();
  const hash = createHash("sha256");
  let wireSize = 0;
  let cameAt = started;
  let failure: unknown;
  const bytes =
    from.kind === "path"
      ? fromDisk(from.path)
      : overHttp(from.url, { size, giveUpMs, patience: { ...PATIENCE, ...request.patience } }, run);
  // Nothing is opened, and no program started, for what cannot be asked for at all.
  const sink = open();
  const limit = size ?? most;
  const watched = async function* () {
    try {
      for await (const chunk of bytes.chunks) {
        wireSize += chunk.length;
        if (limit !== undefined && wireSize > limit) {
          throw new SourceError(
            `it has more than the ${limit} bytes that ${size ? "are expected" : "are taken"}`,
          );
        }
        run.progress.bytes(wireSize, size ?? bytes.total() ?? 0);
        yield chunk;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
    cameAt = performance.now();
  };
  try {
    const stream = Readable.from(watched(), { objectMode: false });
    await pipeline(stream, tap(hash), sink.stream, { signal: run.signal });
  } catch (error) {
    // A program that takes the bytes knows best why it takes no more.
    const said = await sink.done.catch((reason) => reason);
    run.signal.throwIfAborted();
    if (errorCode(error) === "EPIPE" && said) throw said;
    throw isFileError(error) && error !== failure ? unwritable(sink.path, error) : error;
  }
  await sink.done;
  const actual = hash.digest("hex");
  if (sha256 !== undefined && actual !== sha256) {
    throw new SourceError(`its sha256 is ${actual}, expected ${sha256}`, { code: "digest-mismatch" });
  }
  return { wireSize, downloadMs: cameAt - started, finishMs: performance.now() - cameAt };
}

/** This machine's trouble: another source would not help. */
const unwritable = (path: string, cause: unknown) =>
  errorCode(cause) === "ENOSPC"
    ? noSpaceFor(path, cause)
    : new PipelineError(`cannot write ${path}: ${reasonOf(cause)}`, { code: "not-writable", cause });

export const noSpaceFor = (path: string, cause?: unknown) =>
  new PipelineError(`no space left for ${path}`, { code: "disk-full", fix: "make room", cause });
