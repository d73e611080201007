import type { Bounds } from "../schema/bounds.ts";
import type { Arch } from "../schema/names.ts";
import type { Accel } from "./accel.ts";
import type { Machine } from "./machine.ts";

/** A root file system's image, and where the guest's writes go: to a throwaway overlay, or to the image itself. */
export interface Disk {
  readonly path: string;
  readonly writes: "overlay" | "image";
}

/** What every VMM is told of a machine that a user starts. */
interface MachineOptions {
  readonly arch: Arch;
  readonly accel: Accel;
  readonly kernel: string;
  readonly disk: Disk;
  readonly memoryMib: number;
  readonly cpus: number;
  /** Appended to what every machine boots with. */
  readonly cmdline: readonly string[];
  /** The host's end of the machine's network, for drivers that need one. */
  readonly tap: string | undefined;
  /** Where the console's output is kept. */
  readonly consoleLog: string;
  /** The machine's own directory, for what the VMM keeps while it runs. */
  readonly directory: string;
}

/** A machine that another process has started, as far as its VMM tells about it. */
interface Attached {
  /** Resolves, in the VMM's own words, when the VMM has stopped the guest for a reason of its own. */
  readonly failed: Promise<string>;
  close(): void;
}

/** How machines are started with a VMM, and what it needs for that. */
export interface VmmDriver {
  /** The VMM's name as its project writes it. */
  readonly title: string;
  /** Whether it also runs guests where KVM does not work. */
  readonly emulates: boolean;
  /** Whether a machine's network is a tap device that the user has made; otherwise the VMM makes the network. */
  readonly needsTap: boolean;
  /** Whether it can keep a guest's writes apart from the image; otherwise each machine gets a copy of the image. */
  readonly overlays: boolean;
  /** How much memory a machine may have, MiB. */
  readonly memoryMib: Bounds;
  /** How many processors a machine may have. */
  readonly cpus: Bounds;
  /**
   * Starts a machine that outlives this process.
   * @throws GuestNotRun when the VMM ends at once, PipelineError when it is missing or refuses something
   */
  start(options: MachineOptions, signal: AbortSignal): Promise<Machine>;
  /** Connects to a machine that another process has started. @default the VMM tells nothing about such a machine */
  attach?(directory: string): Promise<Attached>;
}
