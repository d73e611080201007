/** How a command in a guest ended. */
export interface CommandResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  /** stdout and stderr, in the order in which they arrived. */
  readonly output: string;
}
