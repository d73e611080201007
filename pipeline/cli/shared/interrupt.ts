import { PipelineError } from "../../util/error.ts";

/** Ctrl-C, `kill` and a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** A terminal, a shell and npm may each pass the same Ctrl-C on: two signals so close together are one, ms. */
const SAME_MS = 500;
/** Cleaning up that takes longer is explained, ms. */
const EXPLAINED_MS = 2000;

const underWay = new Set<AbortController>();

/** Stops the work that is under way, which then cleans up; false where there is none. */
export function stopWork(reason: Error): boolean {
  for (const controller of underWay) controller.abort(reason);
  return underWay.size > 0;
}

/**
 * Runs work that SIGINT, SIGTERM or SIGHUP aborts; the work then cleans up and ends with the signal's reason. Another
 * signal while it cleans up ends the process at once: the next run takes over what is left.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let first: number | undefined;
  let explain: NodeJS.Timeout | undefined;
  const interrupt = (signal: NodeJS.Signals) => {
    if (first === undefined) {
      first = performance.now();
      explain = setTimeout(() => {
        process.stderr.write("cleaning up; Ctrl-C again ends at once\n");
      }, EXPLAINED_MS);
      explain.unref();
      controller.abort(
        new PipelineError(
          `interrupted by ${signal}; nothing is half-written, the same command starts again`,
          {
            code: "interrupted",
          },
        ),
      );
    } else if (performance.now() - first > SAME_MS) {
      process.stderr.write(
        `error: interrupted again by ${signal}, before everything was cleaned up; the same command takes over what is left\n`,
      );
      process.exit(2);
    }
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  underWay.add(controller);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever broke when the work was cut off, the reader is told that it was.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    underWay.delete(controller);
    clearTimeout(explain);
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}
