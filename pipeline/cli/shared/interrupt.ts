import { PipelineError } from "../../util/error.ts";

/** The signals of Ctrl-C, `kill` and a closed terminal. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Signals within this time count as one, ms: a terminal, a shell and npm may each send one for the same Ctrl-C. */
const SAME_MS = 500;
/** If cleaning up takes longer than this, a line on stderr says so, ms. */
const EXPLAINED_MS = 2000;

const running = new Set<AbortController>();

/** Aborts all running work, which then cleans up. Returns false if no work is running. */
export function stopWork(reason: Error): boolean {
  for (const controller of running) controller.abort(reason);
  return running.size > 0;
}

/**
 * Runs work that SIGINT, SIGTERM or SIGHUP aborts. The work then cleans up, and this function rejects with an error that
 * names the signal. A second signal during the clean-up ends the process at once; the next run cleans up the rest.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let first: number | undefined;
  let explain: NodeJS.Timeout | undefined;
  const interrupt = (signal: NodeJS.Signals) => {
    if (first === undefined) {
      first = performance.now();
      explain = setTimeout(() => {
        process.stderr.write("cleaning up; press Ctrl-C again to end at once\n");
      }, EXPLAINED_MS);
      explain.unref();
      controller.abort(
        new PipelineError(`interrupted by ${signal}; no file is incomplete`, {
          code: "interrupted",
          fix: "run the same command again to continue",
        }),
      );
    } else if (performance.now() - first > SAME_MS) {
      process.stderr.write(
        `error: interrupted again by ${signal}, before everything was cleaned up: run the same command again to clean up the rest\n`,
      );
      process.exit(2);
    }
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  running.add(controller);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Errors that follow from the interruption are replaced by the interruption itself.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    running.delete(controller);
    clearTimeout(explain);
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}
