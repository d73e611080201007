import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorCode, PipelineError } from "../../util/error.ts";
import { Console, follow } from "../console.ts";
import { type Address, GuestNotRun, type Machine } from "../machine.ts";
import { configure, type FirecrackerOptions, GUEST_IP } from "./api.ts";

const POLL_MS = 10;
const SSH_PORT = 22;

/** A machine that Firecracker runs. It keeps running when this process ends, unless it is destroyed. */
export class FirecrackerMachine implements Machine {
  readonly console: Console;
  readonly exited: Promise<number | null>;
  readonly address: Address | undefined;
  /** Never resolves: Firecracker's process ends when it cannot run the guest, so `exited` resolves. */
  readonly failed = new Promise<string>(() => {});
  readonly #child: ChildProcess;

  /** @throws GuestNotRun if Firecracker ends at once; PipelineError if it is not installed, or refuses an option */
  static async start(options: FirecrackerOptions, signal: AbortSignal): Promise<FirecrackerMachine> {
    const socket = join(options.directory, "firecracker.socket");
    const log = openSync(options.consoleLog, "w");
    const child = spawn("firecracker", ["--api-sock", socket], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    let failure: unknown;
    const exited = new Promise<number | null>((resolve) => {
      child.once("error", (error) => {
        failure = error;
        resolve(null);
      });
      child.once("close", resolve);
    });
    let running = true;
    void exited.then(() => {
      running = false;
    });
    const machine = new FirecrackerMachine(
      child,
      new Console(follow(options.consoleLog, exited)),
      exited,
      options.tap === undefined ? undefined : { host: GUEST_IP, port: SSH_PORT },
    );
    try {
      while (running && !(await accepts(socket))) {
        await Promise.race([exited, setTimeout(POLL_MS, undefined, { signal })]);
      }
      if (errorCode(failure) === "ENOENT") {
        throw new PipelineError("firecracker is not on PATH", {
          ...{ code: "program-missing", fix: "install it, or use --vmm qemu" },
        });
      }
      if (!running)
        throw new GuestNotRun("Firecracker ended as soon as it was started", {
          details: machine.console.tail(5),
        });
      await configure(socket, options);
      return machine;
    } catch (error) {
      await machine.destroy();
      throw error;
    }
  }

  private constructor(
    child: ChildProcess,
    output: Console,
    exited: Promise<number | null>,
    address: Address | undefined,
  ) {
    this.#child = child;
    this.console = output;
    this.exited = exited;
    this.address = address;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  release(): void {
    this.console.close();
    this.#child.unref();
  }

  async destroy(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
    this.console.close();
  }
}

/** Whether something accepts connections at a socket. It exists a moment before that. */
const accepts = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
