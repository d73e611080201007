import { PipelineError } from "../schema/error.ts";

/** Runs work that Ctrl-C or SIGTERM aborts; the work then cleans up and ends with the signal's reason. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    controller.abort(
      new PipelineError(`interrupted by ${signal}; nothing is half-written, the same command starts again`),
    );
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever broke when the work was cut off, the reader is told that it was.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
