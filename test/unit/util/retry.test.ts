import { describe, expect, it } from "vitest";
import {
  Attempts,
  type Backoff,
  type Failure,
  pause,
  retry,
  retryAfterS,
} from "../../../pipeline/util/retry.ts";

const FAST: Backoff = { attempts: 4, firstMs: 0.1, longestMs: 1, limitS: 60, secondMs: 0.01 };
const never = new AbortController().signal;

/** Work that fails with these errors, one each time, and then succeeds; counts what it was told. */
function failing(...errors: readonly unknown[]) {
  const told: number[] = [];
  const work = async (attempt: number) => {
    told.push(attempt);
    if (told.length <= errors.length) throw errors[told.length - 1];
    return "done";
  };
  return { told, work };
}

const passing = (failure: Failure = {}) => ({ backoff: FAST, signal: never, failureOf: () => failure });
const errors = (count: number) => Array.from({ length: count }, (_, index) => new Error(`${index + 1}`));

describe("work that may fail", () => {
  it("is done once where it succeeds", async () => {
    const { work, told } = failing();
    expect(await retry(work, passing())).toBe("done");
    expect(told).toEqual([1]);
  });

  it("is tried until it succeeds, and whoever watches is told each time", async () => {
    const { work, told } = failing(...errors(3));
    const waits: unknown[] = [];
    expect(await retry(work, { ...passing(), onWait: (error) => waits.push(error) })).toBe("done");
    expect(told).toEqual([1, 2, 3, 4]);
    expect(waits).toEqual(errors(3));
  });

  it("is given up after so many attempts, with the last error", async () => {
    const { work, told } = failing(...errors(9));
    await expect(retry(work, passing())).rejects.toThrow("4");
    expect(told).toHaveLength(4);
  });

  it("is given up sooner where a failure says so, and never later", async () => {
    const [sooner, later] = [failing(...errors(9)), failing(...errors(9))];
    await expect(retry(sooner.work, passing({ attempts: 2 }))).rejects.toThrow("2");
    await expect(retry(later.work, passing({ attempts: 99 }))).rejects.toThrow("4");
  });

  it("is not tried again where waiting does not help", async () => {
    const { work, told } = failing(...errors(1));
    const options = { ...passing(), failureOf: () => undefined };
    await expect(retry(work, options)).rejects.toThrow("1");
    expect(told).toEqual([1]);
  });

  it("that gets further each time is not given up", async () => {
    const { work, told } = failing(...errors(20));
    expect(await retry(work, passing({ progressed: true }))).toBe("done");
    expect(told).toHaveLength(21);
  });

  it("is not waited for longer than the limit of what a server may ask", async () => {
    const within = failing(...errors(1));
    expect(await retry(within.work, passing({ waitS: FAST.limitS }))).toBe("done");
    const beyond = failing(...errors(1));
    await expect(retry(beyond.work, passing({ waitS: FAST.limitS + 1 }))).rejects.toThrow("1");
    expect(beyond.told).toEqual([1]);
  });

  it("that has been tried often enough is not tried again by whoever called it", async () => {
    const inner = failing(...errors(99));
    const outer = () => retry(inner.work, passing());
    await expect(retry(outer, passing())).rejects.toThrow("4");
    expect(inner.told).toHaveLength(4);
  });

  it("that failed without being waited for is tried again by whoever called it", async () => {
    const inner = failing(...errors(2));
    const outer = () => retry(inner.work, { ...passing(), failureOf: () => undefined });
    expect(await retry(outer, passing())).toBe("done");
    expect(inner.told).toEqual([1, 1, 1]);
  });

  it("may fail with what is no error at all", async () => {
    const { work, told } = failing("no", undefined, null, "no");
    await expect(retry(work, passing())).rejects.toBe("no");
    expect(told).toHaveLength(4);
  });
});

describe("an interruption", () => {
  const slow = { ...FAST, firstMs: 3600_000, longestMs: 3600_000 };

  it("ends a wait with its reason", async () => {
    const controller = new AbortController();
    const options = { ...passing(), backoff: slow, signal: controller.signal };
    const work = retry(failing(...errors(9)).work, {
      ...options,
      onWait: () => setImmediate(() => controller.abort(new Error("Ctrl-C"))),
    });
    await expect(work).rejects.toThrow("Ctrl-C");
  });

  it("is what the reader is told of, whatever failed because of it", async () => {
    const controller = new AbortController();
    const work = async () => {
      controller.abort(new Error("Ctrl-C"));
      throw new Error("socket closed");
    };
    await expect(retry(work, { ...passing(), signal: controller.signal })).rejects.toThrow("Ctrl-C");
  });

  it("before the start prevents the work", async () => {
    const { work, told } = failing();
    const signal = AbortSignal.abort(new Error("Ctrl-C"));
    await expect(retry(work, { ...passing(), signal })).rejects.toThrow("Ctrl-C");
    await expect(new Attempts(FAST, signal).again({})).rejects.toThrow("Ctrl-C");
    expect(told).toEqual([]);
  });
});

it("each wait is longer, up to a limit, and at least as long as a server asks", async () => {
  const backoff = { ...FAST, firstMs: 20, longestMs: 60, secondMs: 100 };
  const timed = async (failed: number, waitS?: number) => {
    const started = performance.now();
    await pause(backoff, failed, never, waitS);
    return performance.now() - started;
  };
  // At least: a busy machine waits longer, and never shorter. A timer may be a millisecond early.
  expect(await timed(1)).toBeGreaterThan(18);
  expect(await timed(2)).toBeGreaterThan(38);
  expect(await timed(9)).toBeGreaterThan(58);
  expect(await timed(1, 2)).toBeGreaterThan(198);
});

it.each<[unknown, number | undefined]>([
  ["7", 7],
  [7, 7],
  ["0", 0],
  [" 12 ", 12],
  ["Sat, 21 Nov 2026 10:00:30 GMT", 30],
  ["Sat, 21 Nov 2026 09:00:00 GMT", 0],
  ["soon", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["", undefined],
  [null, undefined],
  [undefined, undefined],
])("Retry-After: %j asks to wait %s s", (value, seconds) => {
  expect(retryAfterS(value as string, Date.parse("2026-11-21T10:00:00Z"))).toBe(seconds);
});
