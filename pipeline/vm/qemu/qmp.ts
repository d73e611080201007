import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const CLOSED = "QEMU closed its control socket";

/** An event that QEMU sends: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
export interface QmpEvent {
  readonly event: string;
  readonly data?: { readonly reason?: string };
}

/** A connection to QEMU's machine protocol (QMP). It sends commands, matches the answers in order, and passes on events. */
export class Qmp {
  readonly #socket: Socket;
  #gone = false;
  readonly #answers: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];

  /** Connects to QEMU's control socket and negotiates capabilities. */
  static async open(path: string, onEvent: (event: QmpEvent) => void = () => {}): Promise<Qmp> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const qmp = new Qmp(socket, onEvent);
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    const reader = createInterface({ input: socket });
    // The socket's own handler also gets this error.
    reader.on("error", () => {});
    reader.on("line", (line) => {
      const message = JSON.parse(line) as { return?: unknown; error?: { desc: string } } | QmpEvent;
      if ("event" in message) onEvent(message);
      else if (message.error) this.#answers.shift()?.reject(new Error(message.error.desc));
      else if ("return" in message) this.#answers.shift()?.resolve(message.return);
    });
    const gone = () => {
      this.#gone = true;
      for (const { reject } of this.#answers.splice(0)) reject(new Error(CLOSED));
    };
    socket.on("error", gone);
    socket.on("close", gone);
  }

  /** Sends a command and resolves with its answer. */
  execute(command: string, args?: object): Promise<unknown> {
    if (this.#gone) return Promise.reject(new Error(CLOSED));
    return new Promise((resolve, reject) => {
      this.#answers.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`);
    });
  }

  /** Sends a command of QEMU's human monitor and resolves with the text of its answer. */
  async monitor(command: string): Promise<string> {
    return String(await this.execute("human-monitor-command", { "command-line": command }));
  }

  close(): void {
    this.#socket.destroy();
  }
}
