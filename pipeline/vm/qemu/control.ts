import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorCode } from "../../util/error.ts";
import type { Address } from "../machine.ts";
import { Qmp, type QmpEvent } from "./qmp.ts";

/** States in which QEMU runs on and the guest never will: RunState in QEMU's protocol. */
const OWN_REASONS = ["internal-error", "guest-panicked", "io-error"];
const POLL_MS = 20;

/** QEMU's control socket in a machine's directory, and what QEMU says beside it. */
export class QemuControl {
  static readonly socket = (directory: string) => join(directory, "qmp");
  static readonly log = (directory: string) => join(directory, "qemu.log");

  /** What QEMU has printed, by lines. */
  static said(directory: string): string[] {
    try {
      const text = readFileSync(QemuControl.log(directory), "utf8");
      return text.split("\n").filter((line) => line.trim());
    } catch {
      return [];
    }
  }

  /** Connects to a QEMU that runs. Rejects with the system's error where none listens. */
  static async open(directory: string): Promise<QemuControl> {
    const events: QmpEvent[] = [];
    let hear = (event: QmpEvent): void => {
      events.push(event);
    };
    const qmp = await Qmp.open(QemuControl.socket(directory), (event) => hear(event));
    const control = new QemuControl(qmp, directory);
    hear = (event) => control.#hear(event);
    for (const event of events) hear(event);
    // It may have stopped the guest before anybody listened.
    control.#look();
    return control;
  }

  /** The same as soon as QEMU has made its socket; rejects when QEMU has ended instead. */
  static async openOnceThere(
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

  /** Resolves, in QEMU's own words, when QEMU has stopped the guest for a reason of its own. */
  readonly failed: Promise<string>;
  readonly #qmp: Qmp;
  readonly #directory: string;
  #fail: (words: string) => void = () => {};
  /** Why a disk could not be read or written: `No space left on device`. */
  #diskReason: string | undefined;

  private constructor(qmp: Qmp, directory: string) {
    this.#qmp = qmp;
    this.#directory = directory;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Where loopback leads to the guest's SSH. */
  async address(): Promise<Address> {
    return { host: "127.0.0.1", port: forwardedPort(await this.#qmp.monitor("info usernet")) };
  }

  close(): void {
    this.#qmp.close();
  }

  #hear({ event, data }: QmpEvent): void {
    if (event === "BLOCK_IO_ERROR") this.#diskReason = data?.reason;
    if (event === "STOP") this.#look();
  }

  /** Asks for the guest's state. A QEMU that ends meanwhile has not stopped its guest. */
  #look(): void {
    this.#qmp.execute("query-status").then(
      (answer) => {
        const { status } = answer as { status: string };
        if (!OWN_REASONS.includes(status)) return;
        const words = this.#diskReason ?? QemuControl.said(this.#directory).at(0);
        this.#fail(`QEMU has stopped the guest (${status})${words ? `: ${words.trim()}` : ""}`);
      },
      () => {},
    );
  }
}

/** The host's port in the table of `info usernet`: `TCP[HOST_FORWARD]  12  127.0.0.1 41234  10.0.2.15  22 …`. */
function forwardedPort(table: string): number {
  const port = /HOST_FORWARD\]\s+\S+\s+\S+\s+(\d+)/.exec(table)?.[1];
  if (!port) throw new Error(`QEMU forwards no port: ${table}`);
  return Number(port);
}
