import { PipelineError } from "../util/error.ts";
import type { Console } from "./console.ts";

/** Where a guest's SSH server is reached. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A virtual machine, as every VMM presents it. */
export interface Machine {
  /** The VMM's process. */
  readonly pid: number;
  readonly console: Console;
  /** Undefined without a network. */
  readonly address: Address | undefined;
  /** Resolves when the VMM's process has ended. */
  readonly exited: Promise<unknown>;
  /**
   * Resolves, in the VMM's own words, when the VMM has stopped the guest for a reason of its own: its process may run on,
   * and the guest never will. Stays pending otherwise.
   */
  readonly failed: Promise<string>;
  /** Detaches; the machine keeps running. */
  release(): void;
  /** Ends the machine at once, if it has not ended, and removes what the VMM left. */
  destroy(): Promise<void>;
}

/** The VMM could not run the guest. With another accelerator it may. */
export class GuestNotRun extends PipelineError {
  constructor(problem: string, options: { readonly details?: readonly string[] } = {}) {
    super(problem, { code: "boot-failed", ...options });
  }
}
