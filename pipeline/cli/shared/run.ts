import type { Run } from "../../util/progress.ts";
import { interruptible } from "./interrupt.ts";
import { type CliProgress, createProgress } from "./progress.ts";

/** A run with progress on the command line. */
export type CliRun = Run & { readonly progress: CliProgress };

/** Runs `work` with progress on stderr and cancellation by Ctrl-C. */
export async function inRun<T>(work: (run: CliRun) => Promise<T>): Promise<T> {
  const progress = createProgress(process.env, process.stderr);
  try {
    return await interruptible(async (signal) => await work({ progress, signal }));
  } catch (error) {
    process.exitCode = 2;
    throw error;
  } finally {
    progress.end();
  }
}
