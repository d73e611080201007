import type { Run } from "../../util/progress.ts";
import { interruptible } from "./interrupt.ts";
import { type CliProgress, createProgress } from "./progress.ts";

/** A run whose progress the reader sees, and which can be told that the last step has ended. */
export type CliRun = Run & { readonly progress: CliProgress };

/** Does `work` in a run that says how far it is, and that Ctrl-C ends. */
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
