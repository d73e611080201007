import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, createWriteStream, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../../util/error.ts";
import { EMULATORS, missing } from "../accel.ts";
import { Console, follow } from "../console.ts";
import type { Address, Machine } from "../machine.ts";
import { endedTooEarly } from "../watch.ts";
import { type QemuOptions, qemuArguments } from "./arguments.ts";
import { QemuControl } from "./control.ts";

/** A machine that QEMU runs. */
export class QemuMachine implements Machine {
  readonly console: Console;
  readonly failed: Promise<string>;
  /** A loopback port that QEMU forwards to the guest's port 22; undefined without a network. */
  readonly address: Address | undefined;
  readonly exited: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #control: QemuControl;
  /** The machine's temporary directory; undefined for a machine that keeps running when this process ends. */
  readonly #temporary: string | undefined;

  /**
   * Starts QEMU. @throws GuestNotRun with QEMU's last line if it ends at once; PipelineError if it is not installed
   */
  static async start(options: QemuOptions, signal: AbortSignal): Promise<QemuMachine> {
    const temporary = options.outlives === undefined && (await mkdtemp(join(tmpdir(), "smolvm-vm-")));
    const directory = temporary || options.outlives!;
    const { program } = EMULATORS[options.arch];
    const output = options.outlives === undefined ? undefined : openSync(options.consoleLog, "w");
    const errors = openSync(QemuControl.log(directory), "w");
    const child = spawn(program, qemuArguments(options, QemuControl.socket(directory)), {
      detached: output !== undefined,
      stdio: ["ignore", output ?? "pipe", errors],
    });
    if (output !== undefined) closeSync(output);
    closeSync(errors);
    let failure: Error | undefined;
    const exited = new Promise<unknown>((resolve) => {
      child.once("error", (error) => {
        failure = error;
        resolve(null);
      });
      child.once("close", resolve);
    });
    const console = child.stdout
      ? new Console(child.stdout, createWriteStream(options.consoleLog))
      : new Console(follow(options.consoleLog, exited));
    try {
      const running = () => !failure && child.exitCode === null && child.signalCode === null;
      const control = await QemuControl.openWhenReady(directory, exited, running, signal);
      const address = options.network === false ? undefined : await control.address();
      return new QemuMachine(child, console, control, address, exited, temporary || undefined);
    } catch {
      child.kill("SIGKILL");
      await exited;
      await console.ended;
      const lastLine = QemuControl.logLines(directory).at(-1);
      if (temporary) await rm(temporary, { recursive: true, force: true });
      if (errorCode(failure) === "ENOENT") throw missing(program);
      signal.throwIfAborted();
      throw endedTooEarly({ console }, `QEMU ended as soon as it was started: ${lastLine ?? "no message"}`);
    }
  }

  private constructor(
    child: ChildProcess,
    output: Console,
    control: QemuControl,
    address: Address | undefined,
    exited: Promise<unknown>,
    temporary: string | undefined,
  ) {
    this.#child = child;
    this.console = output;
    this.#control = control;
    this.failed = control.failed;
    this.address = address;
    this.exited = exited;
    this.#temporary = temporary;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  release(): void {
    this.#control.close();
    this.console.close();
    this.#child.unref();
  }

  async destroy(): Promise<void> {
    this.#control.close();
    this.#child.kill("SIGKILL");
    await this.exited;
    this.console.close();
    if (this.#temporary) await rm(this.#temporary, { recursive: true, force: true });
  }
}
