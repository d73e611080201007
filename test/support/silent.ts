import type { Run } from "../../pipeline/schema/progress.ts";

/** A run that nobody watches and nothing interrupts. */
export const silentRun = (): Run => ({
  progress: { step() {}, bytes() {}, warn() {} },
  signal: new AbortController().signal,
});
