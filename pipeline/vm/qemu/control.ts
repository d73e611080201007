import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorCode } from "../../util/error.ts";
import type { Address } from "../machine.ts";
import { Qmp, type QmpEvent } from "./qmp.ts";

/** States in which QEMU has stopped the guest because of an error (RunState in QEMU's protocol). The guest never continues. */
const FAILED_STATES = ["internal-error", "guest-panicked", "io-error"];
const POLL_MS = 20;

/** QEMU's control socket and log in a machine's directory. */
export class QemuControl {
  static readonly socket = (directory: string) => join(directory, "qmp");
  static readonly log = (directory: string) => join(directory, "qemu.log");

  /** The lines of QEMU's log that are not empty. */
  static logLines(directory: string): string[] {
    try {
      const text = readFileSync(QemuControl.log(directory), "utf8");
      return text.split("\n").filter((line) => line.trim());
    } catch {
      return [];
    }
  }

  /** Connects to a running QEMU. Rejects with the system's error if no QEMU listens. */
  static async open(directory: string): Promise<QemuControl> {
    const events: QmpEvent[] = [];
    let onEvent = (event: QmpEvent): void => {
      events.push(event);
    };
    const qmp = await Qmp.open(QemuControl.socket(directory), (event) => onEvent(event));
    const control = new QemuControl(qmp, directory);
    onEvent = (event) => control.#handle(event);
    for (const event of events) onEvent(event);
    // QEMU may have stopped the guest before this connection was made.
    control.#checkState();
    return control;
  }

  /** Waits until QEMU has made its socket, and connects. Rejects if QEMU ends first. */
  static async openWhenReady(
    directory: string,
    exited: Promise<unknown>,
    running: () => boolean,
    signal: AbortSignal,
  ): Promise<QemuControl> {
    while (running()) {
      if (existsSync(QemuControl.socket(directory))) {
        try {
          return await QemuControl.open(directory);
        } catch (error) {
          if (errorCode(error) !== "ECONNREFUSED") throw error;
        }
      }
      await Promise.race([exited, setTimeout(POLL_MS, undefined, { signal })]);
    }
    throw new Error("QEMU ended");
  }

  /** Resolves with QEMU's message when QEMU has stopped the guest because of an error. */
  readonly failed: Promise<string>;
  readonly #qmp: Qmp;
  readonly #directory: string;
  #fail: (message: string) => void = () => {};
  /** Why a disk could not be read or written, such as `No space left on device`. */
  #diskReason: string | undefined;

  private constructor(qmp: Qmp, directory: string) {
    this.#qmp = qmp;
    this.#directory = directory;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** The loopback address that QEMU forwards to the guest's SSH server. */
  async address(): Promise<Address> {
    return { host: "127.0.0.1", port: forwardedPort(await this.#qmp.monitor("info usernet")) };
  }

  close(): void {
    this.#qmp.close();
  }

  #handle({ event, data }: QmpEvent): void {
    if (event === "BLOCK_IO_ERROR") this.#diskReason = data?.reason;
    if (event === "STOP") this.#checkState();
  }

  /** Queries the guest's state. An error is ignored: then QEMU has ended, and has not stopped its guest. */
  #checkState(): void {
    this.#qmp.execute("query-status").then(
      (answer) => {
        const { status } = answer as { status: string };
        if (!FAILED_STATES.includes(status)) return;
        const message = this.#diskReason ?? QemuControl.logLines(this.#directory).at(0);
        this.#fail(`QEMU has stopped the guest (${status})${message ? `: ${message.trim()}` : ""}`);
      },
      () => {},
    );
  }
}

/** The host's port in the output of `info usernet`: `TCP[HOST_FORWARD]  12  127.0.0.1 41234  10.0.2.15  22 …`. */
function forwardedPort(table: string): number {
  const port = /HOST_FORWARD\]\s+\S+\s+\S+\s+(\d+)/.exec(table)?.[1];
  if (!port) throw new Error(`QEMU forwards no port to the guest's SSH: ${table}`);
  return Number(port);
}
