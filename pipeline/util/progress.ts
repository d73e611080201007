/** Receives the progress of long work. The command line decides how to display it. */
export interface Progress {
  /** A new step begins; the previous one has ended. */
  step(title: string): void;
  /** Progress of the step: `done` of `total` bytes. */
  bytes(done: number, total: number): void;
  /** Progress of the step: `done` of about `total`, in `unit` (a plural: objects). */
  count(done: number, total: number, unit: string): void;
  /** A warning; the work goes on. */
  warn(line: string): void;
}

/** Progress and cancellation; every function with side effects takes one. */
export interface Run {
  /** Where the work reports what it does. */
  readonly progress: Progress;
  /** Aborted on Ctrl-C. The function then stops, cleans up and rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** A run without progress and cancellation. */
export const unwatched = (): Run => ({
  progress: { step() {}, bytes() {}, count() {}, warn() {} },
  signal: new AbortController().signal,
});
