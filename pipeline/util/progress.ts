/** How long work tells what it does. The command line decides how that looks. */
export interface Progress {
  /** A new step begins; the one before it has ended. */
  step(title: string): void;
  /** How far the step is: `done` of `total`, in bytes. */
  bytes(done: number, total: number): void;
  /** How far the step is: `done` of about `total`, in `unit` (a plural: objects). */
  count(done: number, total: number, unit: string): void;
  /** Something the reader should know, and that does not stop the work. */
  warn(line: string): void;
}

/** What all effects are given: a way to talk, and a way to be told to stop. */
export interface Run {
  readonly progress: Progress;
  /** Aborted on Ctrl-C: whoever waits stops, and cleans up what it began. */
  readonly signal: AbortSignal;
}

/** A run that nobody watches and nothing interrupts. */
export const unwatched = (): Run => ({
  progress: { step() {}, bytes() {}, count() {}, warn() {} },
  signal: new AbortController().signal,
});
