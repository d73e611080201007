import { setTimeout } from "node:timers/promises";

/** How often, and how long apart, something that may pass is tried again. */
export interface Backoff {
  /** How often it is tried in all, without getting any further. */
  readonly attempts: number;
  /** The first wait, ms; each further one is twice as long, up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** The longest that a server may ask to wait, seconds: beyond it, it is not tried again. */
  readonly limitS: number;
  /** How long a second is that a server asks to wait, ms. @default 1000 */
  readonly secondMs?: number;
}

/** A failed attempt after which another one may succeed. */
export interface Failure {
  /** How long the server asks to wait, seconds. @default it does not ask */
  readonly waitS?: number | undefined;
  /** Whether the attempt got further than the one before: those before it do not count any more. @default false */
  readonly progressed?: boolean;
  /** How many attempts there are after such a failure, if fewer. @default the backoff's */
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
   * Waits until another attempt is worth it; false, at once, where it is not. `onWait` is called before it waits.
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
 * Waits after the `failed`th failure in a row, at least as long as a server asks.
 * Rejects with the signal's reason on abort.
 */
export async function pause(
  { firstMs, longestMs, secondMs = 1000 }: Backoff,
  failed: number,
  signal: AbortSignal,
  waitS = 0,
): Promise<void> {
  const ms = Math.max(Math.min(longestMs, firstMs * 2 ** (failed - 1)), waitS * secondMs);
  // Those that were told to wait for the same time do not come back together.
  const jitter = 1 + Math.random() / 4;
  await setTimeout(ms * jitter, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

export interface RetryOptions {
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** What an error means for the next attempt; undefined where waiting does not help. */
  readonly failureOf: (error: unknown) => Failure | undefined;
  /** Called before each wait. @default nothing is done */
  readonly onWait?: (error: unknown) => void;
}

/** Errors that have been waited for: whoever called the work does not wait for them again. */
const given = new WeakSet<object>();

/**
 * Does `work` until it succeeds; it is told which attempt it is, from 1. Rejects with its error where waiting does not help,
 * or has not helped often enough, and with the signal's reason on abort.
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
      if (failure && typeof error === "object" && error !== null) given.add(error);
      throw error;
    }
  }
}

const isGivenUp = (error: unknown) => typeof error === "object" && error !== null && given.has(error);

/**
 * How long a server asks to wait, seconds: what `Retry-After` says, a number of seconds or a time by the server's clock.
 * Undefined where it says neither.
 * @param nowMs the server's time, ms since 1970
 */
export function retryAfterS(value: string | number | null | undefined, nowMs: number): number | undefined {
  if (value === null || value === undefined) return undefined;
  const text = String(value).trim();
  if (/^\d+$/.test(text)) return Number(text);
  const at = /[a-z]{3}, /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - nowMs) / 1000));
}
