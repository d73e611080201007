import { setTimeout } from "node:timers/promises";

/** How often a failed attempt is repeated, and how long to wait between attempts. */
export interface Backoff {
  /** The maximum number of attempts in a row without progress. */
  readonly attempts: number;
  /** The first wait, ms. Each following wait is twice as long, up to `longestMs`. */
  readonly firstMs: number;
  /** The longest wait, ms. */
  readonly longestMs: number;
  /** The longest wait that a server may request, seconds. If it requests more, there is no further attempt. */
  readonly limitS: number;
  /** The length of a second in a wait that a server requests, ms; tests shorten it. @default 1000 */
  readonly secondMs?: number;
}

/** A failed attempt after which another one may succeed. */
export interface Failure {
  /** How long the server asks to wait, seconds. @default 0 */
  readonly waitS?: number | undefined;
  /** Whether the attempt got further than the previous one. If so, earlier attempts no longer count. @default false */
  readonly progressed?: boolean;
  /** A lower maximum number of attempts for this kind of failure. @default the backoff's */
  readonly attempts?: number;
}

/** Counts the attempts at one piece of work, and waits between them. */
export class Attempts {
  readonly #backoff: Backoff;
  readonly #signal: AbortSignal;
  #failed = 0;

  constructor(backoff: Backoff, signal: AbortSignal) {
    this.#backoff = backoff;
    this.#signal = signal;
  }

  /**
   * Waits before the next attempt and returns true. Returns false immediately if there are no attempts left, or if
   * the server asks to wait longer than the limit. `onWait` is called before the wait.
   * Rejects with the signal's reason on abort.
   */
  async again({ waitS = 0, progressed, attempts }: Failure, onWait = () => {}): Promise<boolean> {
    this.#signal.throwIfAborted();
    this.#failed = progressed ? 1 : this.#failed + 1;
    const most = Math.min(attempts ?? Number.POSITIVE_INFINITY, this.#backoff.attempts);
    if (this.#failed >= most || waitS > this.#backoff.limitS) return false;
    onWait();
    await pause(this.#backoff, this.#failed, this.#signal, waitS);
    return true;
  }
}

/**
 * Waits after the `failed`th failure in a row, at least as long as the server asks (`waitS`).
 * Rejects with the signal's reason on abort.
 */
export async function pause(
  { firstMs, longestMs, secondMs = 1000 }: Backoff,
  failed: number,
  signal: AbortSignal,
  waitS = 0,
): Promise<void> {
  const ms = Math.max(Math.min(longestMs, firstMs * 2 ** (failed - 1)), waitS * secondMs);
  // Clients that were told to wait for the same time must not all return at the same moment.
  const jitter = 1 + Math.random() / 4;
  await setTimeout(ms * jitter, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

export interface RetryOptions {
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** What an error means for the next attempt; undefined for an error that another attempt cannot fix. */
  readonly failureOf: (error: unknown) => Failure | undefined;
  /** Called before each wait. @default none */
  readonly onWait?: (error: unknown) => void;
}

/** Errors after which `retry` gave up. An outer `retry` around the same work does not repeat it again. */
const givenUp = new WeakSet<object>();

/**
 * Calls `work` with the number of the attempt (from 1) until it succeeds. Rejects with the error of `work` if another
 * attempt cannot help or no attempts are left, and with the signal's reason on abort.
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  { backoff, signal, failureOf, onWait }: RetryOptions,
): Promise<T> {
  const attempts = new Attempts(backoff, signal);
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      signal.throwIfAborted();
      const failure = isGivenUp(error) ? undefined : failureOf(error);
      if (failure && (await attempts.again(failure, () => onWait?.(error)))) continue;
      if (failure && typeof error === "object" && error !== null) givenUp.add(error);
      throw error;
    }
  }
}

const isGivenUp = (error: unknown) => typeof error === "object" && error !== null && givenUp.has(error);

/**
 * How long a server asks to wait, seconds, as its `Retry-After` header says: a number of seconds, or a date by the
 * server's clock. Undefined if the header is missing or has neither form.
 * @param nowMs the server's time, ms since 1970
 */
export function retryAfterS(value: string | number | null | undefined, nowMs: number): number | undefined {
  if (value === null || value === undefined) return undefined;
  const text = String(value).trim();
  if (/^\d+$/.test(text)) return Number(text);
  const at = /[a-z]{3}, /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - nowMs) / 1000));
}
