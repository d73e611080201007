import { PipelineError } from "../util/error.ts";
import type { Console } from "./console.ts";

/** The address of a guest's SSH server, as seen from the host. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A running virtual machine, with the same interface for every VMM. */
export interface Machine {
  /** The pid of the VMM. */
  readonly pid: number;
  readonly console: Console;
  /** Undefined without a network. */
  readonly address: Address | undefined;
  /** Resolves when the VMM's process has ended. */
  readonly exited: Promise<unknown>;
  /**
   * Resolves with the VMM's message when the VMM has stopped the guest because of an error. The VMM's process may keep
   * running, but the guest never continues. Stays pending otherwise.
   */
  readonly failed: Promise<string>;
  /** Detaches; the machine keeps running. */
  release(): void;
  /** Kills the VMM, if it still runs, and removes its temporary files. */
  destroy(): Promise<void>;
}

/** The VMM could not run the guest. Another accelerator may work. */
export class GuestNotRun extends PipelineError {
  constructor(
    problem: string,
    options: { readonly details?: readonly string[]; readonly fix?: string } = {},
  ) {
    super(problem, { code: "boot-failed", ...options });
  }
}
