import type { Bounds } from "../schema/bounds.ts";
import type { Arch } from "../schema/names.ts";
import type { Accel } from "./accel.ts";
import type { Machine } from "./machine.ts";

/** The image of a root file system, and where the guest's writes go: to a temporary overlay, or to the image itself. */
export interface Disk {
  readonly path: string;
  readonly writes: "overlay" | "image";
}

/** The options of a machine that a user starts, for every VMM. */
interface MachineOptions {
  readonly arch: Arch;
  readonly accel: Accel;
  readonly kernel: string;
  readonly disk: Disk;
  readonly memoryMib: number;
  readonly cpus: number;
  /** Kernel parameters, appended to those that every machine has. */
  readonly cmdline: readonly string[];
  /** The tap device of the machine's network, for drivers with `needsTap`. */
  readonly tap: string | undefined;
  /** The path of the console's log. */
  readonly consoleLog: string;
  /** The machine's directory, for files that the VMM needs while it runs. */
  readonly directory: string;
}

/** A connection to a machine that another process started. */
interface Attached {
  /** Resolves with the VMM's message when the VMM has stopped the guest because of an error. */
  readonly failed: Promise<string>;
  close(): void;
}

/** Starts machines with a VMM, and declares what the VMM supports and needs. */
export interface VmmDriver {
  /** The VMM's name as its project writes it. */
  readonly title: string;
  /** Whether it can run guests without KVM. */
  readonly emulates: boolean;
  /** Whether a machine's network needs a tap device that the user has made. Otherwise the VMM makes the network. */
  readonly needsTap: boolean;
  /** Whether it can write to an overlay and leave the image as it is. Otherwise each machine gets a copy of the image. */
  readonly overlays: boolean;
  /** The least and the most memory of a machine, MiB. */
  readonly memoryMib: Bounds;
  /** The least and the most processors of a machine. */
  readonly cpus: Bounds;
  /**
   * Starts a machine that keeps running when this process ends.
   * @throws GuestNotRun if the VMM ends at once; PipelineError if it is not installed, or refuses an option
   */
  start(options: MachineOptions, signal: AbortSignal): Promise<Machine>;
  /** Connects to a machine that another process started. @default not supported by the VMM */
  attach?(directory: string): Promise<Attached>;
}
