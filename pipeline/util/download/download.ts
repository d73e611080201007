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
  /** The expected sha256 of the downloaded bytes. @default not checked */
  readonly sha256?: string | undefined;
  /** The expected size, bytes. @default what the source says */
  readonly size?: number | undefined;
  /** The maximum size, bytes, if `size` is not given. @default no limit */
  readonly most?: number | undefined;
  /** @default PATIENCE */
  readonly patience?: Partial<Patience> | undefined;
  /** Gets the bytes as they arrive, and their place in the file; after a new start from the beginning again. @default none */
  readonly onBytes?: ((chunk: Uint8Array, at: number) => void) | undefined;
}

/** The destination of a download. */
export interface Sink {
  readonly stream: Writable;
  /** Resolves when everything is written. Rejects, with the error to throw, when the bytes cannot be used. */
  readonly done: Promise<void>;
  /** The file that is written, for error messages. */
  readonly path: string;
}

export interface Downloaded {
  /** Downloaded bytes. */
  readonly wireSize: number;
  /** From the start to the arrival of the last byte, ms. */
  readonly downloadMs: number;
  /** From the arrival of the last byte until the file was complete, ms. */
  readonly finishMs: number;
}

/** A sink that writes the bytes to a file unchanged. */
export const toFile = (path: string): Sink => ({
  stream: createWriteStream(path),
  done: Promise.resolve(),
  path,
});

/**
 * Downloads a file into a sink. The bytes are counted and hashed as they arrive, and a broken connection is resumed. If
 * the file changes at its source during the download, the download starts again from the beginning, once, with a new sink.
 * @throws SourceError when the source does not have the right bytes
 * @throws PipelineError when the bytes cannot be written
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
  /** What the caller's progress threw, which is not a failure of the destination. */
  let failure: unknown;
  const bytes =
    from.kind === "path"
      ? fromDisk(from.path)
      : overHttp(from.url, { size, giveUpMs, patience: { ...PATIENCE, ...request.patience } }, run);
  // The sink may start a program, so it is opened only after the request is known to be valid.
  const sink = open();
  // It may fail while the next bytes are still awaited, before anything waits for it.
  sink.done.catch(() => {});
  const limit = size ?? most;
  const watched = async function* () {
    for await (const chunk of bytes.chunks) {
      wireSize += chunk.length;
      if (limit !== undefined && wireSize > limit) {
        throw new SourceError(
          `it has more than the ${limit} bytes that ${size ? "are expected" : "are taken"}`,
        );
      }
      try {
        run.progress.bytes(wireSize, size ?? bytes.total() ?? 0);
      } catch (error) {
        failure = error;
        throw error;
      }
      request.onBytes?.(chunk, wireSize - chunk.length);
      // Not inside the try: when the destination fails, its error is thrown here.
      yield chunk;
    }
    cameAt = performance.now();
  };
  try {
    const stream = Readable.from(watched(), { objectMode: false });
    await pipeline(stream, tap(hash), sink.stream, { signal: run.signal });
  } catch (error) {
    // If the program that reads the bytes ended early, the stream is only closed: the program's own error gives the reason.
    const said = await sink.done.catch((reason) => reason);
    run.signal.throwIfAborted();
    if (CLOSED.has(errorCode(error)) && said) throw said;
    throw isFileError(error) && error !== failure ? unwritable(sink.path, error) : error;
  }
  await sink.done;
  const actual = hash.digest("hex");
  if (sha256 !== undefined && actual !== sha256) {
    throw new SourceError(`its sha256 is ${actual}, expected ${sha256}`, { code: "digest-mismatch" });
  }
  return { wireSize, downloadMs: cameAt - started, finishMs: performance.now() - cameAt };
}

/** The codes of a stream that was closed by its reader: with bytes under way, between two pieces, before the first one. */
const CLOSED = new Set<string | undefined>(["EPIPE", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"]);

/** An error of this machine's disk, for which another source does not help. */
export const unwritable = (path: string, cause: unknown) =>
  errorCode(cause) === "ENOSPC"
    ? noSpaceFor(path, cause)
    : new PipelineError(`cannot write ${path}: ${reasonOf(cause)}`, { code: "not-writable", cause });

export const noSpaceFor = (path: string, cause?: unknown) =>
  new PipelineError(`no space left for ${path}`, { code: "disk-full", fix: "make room", cause });
