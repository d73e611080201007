import type { Response } from "undici";
import { PipelineError } from "../error.ts";
import { proxiedFetch, proxyVariable, USER_AGENT } from "../http.ts";
import type { Run } from "../progress.ts";
import { reasonOf } from "../reason.ts";
import { Attempts, retryAfterS } from "../retry.ts";
import type { Patience } from "./patience.ts";
import { type Bytes, NoRanges, SourceError, Unavailable } from "./source.ts";

/** A part of a file: the bytes from `start` up to, and without, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface HttpOptions {
  readonly patience: Patience;
  /** The expected size, bytes. @default what the server says */
  readonly size?: number | undefined;
  /** How long the server may send nothing, over all attempts together, ms. @default no limit */
  readonly giveUpMs?: number | undefined;
  /** The part of the file to fetch. The caller must verify its bytes. @default the whole file */
  readonly range?: Range | undefined;
  /** Shared by several requests, so that they use the same connections. @default one of its own */
  readonly get?: ReturnType<typeof proxiedFetch> | undefined;
}

/** The file at the source changed during the download. */
export class Changed extends Error {}

/** A response with an error status that may succeed later. */
class Busy extends Error {
  readonly waitS: number | undefined;
  readonly status: number;

  constructor(message: string, waitS: number | undefined, status: number) {
    super(message);
    this.waitS = waitS;
    this.status = status;
  }
}

/**
 * The bytes of a URL. If the connection breaks, or brings nothing for `giveUpMs`, the transfer is resumed with a range
 * request, as long as the file is the same. If the resumed transfer brings nothing for another `giveUpMs`, it fails.
 * Reading the bytes throws SourceError, Unavailable or Changed; with a `range` NoRanges, and never Changed.
 */
export function overHttp(url: string, options: HttpOptions, run: Run): Bytes {
  const transfer = new Transfer(url, options, run);
  return { chunks: transfer.chunks(), total: () => transfer.total };
}

class Transfer {
  total: number | undefined;
  readonly #url: string;
  readonly #options: HttpOptions;
  readonly #run: Run;
  readonly #get: ReturnType<typeof proxiedFetch>;
  #done = 0;
  /** The strong ETag of the first answer. */
  #validator: string | undefined;
  /** Whether the server has answered at all. A server that never answers gets fewer attempts. */
  #reached = false;
  #tooLong = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, options: HttpOptions, run: Run) {
    this.#url = url;
    this.#options = options;
    this.#run = run;
    this.#get = options.get ?? proxiedFetch(options.patience.silenceMs);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { patience, giveUpMs } = this.#options;
    // With `giveUpMs` there is another source to try, so a longer wait than that is not accepted from this one.
    const limitS = Math.min(
      patience.limitS,
      giveUpMs === undefined ? Number.POSITIVE_INFINITY : giveUpMs / 1000,
    );
    const attempts = () => new Attempts({ ...patience, limitS }, this.#signal());
    let policy = attempts();
    /** How many bytes had arrived at the last timeout of `giveUpMs`. */
    let silentAt = 0;
    this.#waitForByte();
    try {
      for (;;) {
        const before = this.#done;
        try {
          yield* this.#once();
          return;
        } catch (error) {
          this.#run.signal.throwIfAborted();
          if (error instanceof PipelineError || error instanceof Changed) throw error;
          if (this.#tooLong.signal.aborted) {
            if (this.#done === silentAt) throw silent(giveUpMs, error);
            silentAt = this.#done;
            this.#tooLong = new AbortController();
            this.#waitForByte();
            policy = attempts();
            continue;
          }
          const failure = {
            waitS: error instanceof Busy ? error.waitS : undefined,
            progressed: this.#done > before,
            ...(this.#reached ? {} : { attempts: 2 }),
          };
          const again = await policy.again(failure).catch((reason: unknown) => {
            this.#run.signal.throwIfAborted();
            throw silent(giveUpMs, reason);
          });
          if (!again) {
            const status = error instanceof Busy ? error.status : undefined;
            throw new Unavailable(unreachable(error), { status, cause: error });
          }
        }
      }
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** The bytes of one connection, starting where the previous one ended. */
  async *#once(): AsyncGenerator<Uint8Array> {
    const response = await this.#get(this.#url, { signal: this.#signal(), headers: this.#headers() });
    this.#reached = true;
    const { range } = this.#options;
    if (range) await this.#checkPart(response, range);
    if (!response.ok || !response.body) throw statusError(response);
    // A server without support for ranges sends the whole file again: skip what has arrived already.
    const skip = response.status === 206 ? 0 : this.#done;
    // The parts of a file may come from several servers, with an ETag each. Their bytes are verified by the caller.
    if (!range) this.#checkUnchanged(response);
    const total = range ? range.end - range.start : totalOf(response, this.#done);
    this.total = total ?? this.total;
    let seen = 0;
    for await (const chunk of response.body) {
      // The timer is off while the consumer handles the chunk: only the source's delay counts.
      clearTimeout(this.#timer);
      const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, skip - seen)));
      seen += chunk.length;
      this.#done += fresh.length;
      if (range && this.#done > range.end - range.start)
        throw new NoRanges("it sent more than was asked for");
      if (fresh.length > 0) yield fresh;
      this.#waitForByte();
    }
    const expected = range ? total : (this.#options.size ?? total);
    if (this.#done < (expected ?? this.#done))
      throw new Error(`it ended after ${this.#done} of ${expected} bytes`);
  }

  /** @throws NoRanges if a response is not the part of the file that was asked for */
  async #checkPart(response: Response, range: Range): Promise<void> {
    const { status, headers } = response;
    // Other statuses mean the same for a part as for the whole file.
    if (!response.ok && status !== 416) return;
    const [, start, end, size] =
      /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
    const isPart =
      status === 206 &&
      Number(start) === range.start + this.#done &&
      Number(end) === range.end - 1 &&
      (size === "*" || Number(size) === (this.#options.size ?? Number(size)));
    if (isPart) return;
    // The whole file may be under way, which nobody reads.
    await response.body?.cancel().catch(() => {});
    throw new NoRanges("the server does not send parts of files");
  }

  #headers(): Record<string, string> {
    const { range } = this.#options;
    if (range) {
      const part = `bytes=${range.start + this.#done}-${range.end - 1}`;
      return { "user-agent": USER_AGENT, range: part };
    }
    return {
      "user-agent": USER_AGENT,
      // Without compression, Content-Length refers to the bytes of the file. `fetch` says the same with every range.
      ...(this.#done > 0 ? { range: `bytes=${this.#done}-` } : { "accept-encoding": "identity" }),
      ...(this.#done > 0 && this.#validator ? { "if-range": this.#validator } : {}),
    };
  }

  /** @throws Changed when the response is for another file than the previous one */
  #checkUnchanged({ headers }: Response): void {
    const etag = headers.get("etag");
    if (this.#validator !== undefined && etag !== this.#validator) {
      throw new Changed("it changed while it was fetched");
    }
    // A weak ETag (W/"…") does not guarantee the same bytes.
    if (etag?.startsWith('"')) this.#validator = etag;
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#run.signal, this.#tooLong.signal]);
  }

  #waitForByte(): void {
    const { giveUpMs } = this.#options;
    const controller = this.#tooLong;
    if (giveUpMs !== undefined) this.#timer = setTimeout(() => controller.abort(), giveUpMs);
  }
}

const silent = (ms = 0, cause: unknown) => new Unavailable(`no byte came within ${ms / 1000} s`, { cause });

/** The size of the whole file, from a response that starts after `done` bytes; undefined if it does not say. */
function totalOf({ headers, status }: Response, done: number): number | undefined {
  const range = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  const length = headers.get("content-length");
  if (range) return Number(range);
  return length === null ? undefined : Number(length) + (status === 206 ? done : 0);
}

/** A status such as 404 or 403 is final (SourceError); 408, 429 and 5xx may succeed later (Busy). */
function statusError({ status, statusText, headers }: Response): Error {
  const message = `HTTP ${status} ${statusText}`.trim();
  if (status < 500 && status !== 408 && status !== 429) return new SourceError(message, { status });
  const now = Date.parse(headers.get("date") ?? "") || Date.now();
  return new Busy(message, retryAfterS(headers.get("retry-after"), now), status);
}

function unreachable(error: unknown): string {
  const proxy = proxyVariable();
  return `${reasonOf(error)}${proxy ? `, through the proxy that ${proxy} names` : ""}`;
}
