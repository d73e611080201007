import type { Response } from "undici";
import { PipelineError } from "../error.ts";
import { proxiedFetch, proxyVariable, USER_AGENT } from "../http.ts";
import type { Run } from "../progress.ts";
import { reasonOf } from "../reason.ts";
import { Attempts, retryAfterS } from "../retry.ts";
import type { Patience } from "./patience.ts";
import { type Bytes, SourceError, Unavailable } from "./source.ts";

export interface HttpOptions {
  readonly patience: Patience;
  /** How many bytes there must be. @default what the server says */
  readonly size?: number | undefined;
  /** How long the server may go without sending a byte, all attempts together, ms. @default as long as they take */
  readonly giveUpMs?: number | undefined;
}

/** The file has become another one while it was fetched. */
export class Changed extends Error {}

/** An answer that is no success, and may be one later. */
class Busy extends Error {
  readonly waitS: number | undefined;

  constructor(message: string, waitS: number | undefined) {
    super(message);
    this.waitS = waitS;
  }
}

/**
 * The bytes of an address. Where they break off, or do not come for `giveUpMs` (where that is given), the rest is asked
 * for, as long as it is the same file; a server that then is silent for as long again is given up. Reading them throws
 * SourceError, Unavailable or Changed.
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
  /** Whether anybody has answered: an address where nobody does is not waited for long. */
  #reached = false;
  #tooLong = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, options: HttpOptions, run: Run) {
    this.#url = url;
    this.#options = options;
    this.#run = run;
    this.#get = proxiedFetch(options.patience.silenceMs);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { patience, giveUpMs } = this.#options;
    // Where another source comes next, nobody waits longer for this one than it may be silent.
    const limitS = Math.min(
      patience.limitS,
      giveUpMs === undefined ? Number.POSITIVE_INFINITY : giveUpMs / 1000,
    );
    const attempts = () => new Attempts({ ...patience, limitS }, this.#signal());
    let policy = attempts();
    /** How many bytes had come when it was silent for too long. */
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
          if (!again) throw new Unavailable(unreachable(error), { cause: error });
        }
      }
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** One connection: what it brings from where the one before ended. */
  async *#once(): AsyncGenerator<Uint8Array> {
    const response = await this.#get(this.#url, { signal: this.#signal(), headers: this.#headers() });
    this.#reached = true;
    if (!response.ok || !response.body) throw statusError(response);
    // A server that does not know ranges sends what we have once more.
    const skip = response.status === 206 ? 0 : this.#done;
    this.#checkUnchanged(response);
    const total = totalOf(response, this.#done);
    this.total = total ?? this.total;
    let seen = 0;
    for await (const chunk of response.body) {
      // While whoever takes the bytes is slow, the source is not.
      clearTimeout(this.#timer);
      const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, skip - seen)));
      seen += chunk.length;
      this.#done += fresh.length;
      if (fresh.length > 0) yield fresh;
      this.#waitForByte();
    }
    const expected = this.#options.size ?? total;
    if (this.#done < (expected ?? this.#done))
      throw new Error(`it ended after ${this.#done} of ${expected} bytes`);
  }

  #headers(): Record<string, string> {
    return {
      "user-agent": USER_AGENT,
      // A server that compresses on the way would have its own idea of how many bytes there are.
      "accept-encoding": "identity",
      ...(this.#done > 0 ? { range: `bytes=${this.#done}-` } : {}),
      ...(this.#done > 0 && this.#validator ? { "if-range": this.#validator } : {}),
    };
  }

  /** @throws Changed when the answer is another file than the one before */
  #checkUnchanged({ headers }: Response): void {
    const etag = headers.get("etag");
    if (this.#validator !== undefined && etag !== this.#validator) {
      throw new Changed("it changed while it was fetched");
    }
    // A weak one (W/"…") does not say that the bytes are the same.
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

/** The length of the whole file, as an answer tells it that begins after `done` bytes. */
function totalOf({ headers, status }: Response, done: number): number | undefined {
  const range = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  const length = headers.get("content-length");
  if (range) return Number(range);
  return length === null ? undefined : Number(length) + (status === 206 ? done : 0);
}

/** What is not there, or not for us, is not asked for again. */
function statusError({ status, statusText, headers }: Response): Error {
  const message = `HTTP ${status} ${statusText}`.trim();
  if (status < 500 && status !== 408 && status !== 429) return new SourceError(message);
  const now = Date.parse(headers.get("date") ?? "") || Date.now();
  return new Busy(message, retryAfterS(headers.get("retry-after"), now));
}

function unreachable(error: unknown): string {
  const proxy = proxyVariable();
  return `${reasonOf(error)}${proxy ? `, through the proxy that ${proxy} names` : ""}`;
}
