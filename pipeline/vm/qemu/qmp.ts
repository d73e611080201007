import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const CLOSED = "QEMU closed its control socket";

/** What QEMU reports by itself: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
export interface QmpEvent {
  readonly event: string;
  readonly data?: { readonly reason?: string };
}

/** A connection to QEMU's machine protocol: one command at a time, each answered; and its events. */
export class Qmp {
  readonly #socket: Socket;
  #gone = false;
  readonly #answers: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];

  /** Connects to the socket on which QEMU listens, and negotiates. */
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
    // The socket's own handler hears it as well.
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

  execute(command: string, args?: object): Promise<unknown> {
    if (this.#gone) return Promise.reject(new Error(CLOSED));
    return new Promise((resolve, reject) => {
      this.#answers.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`);
    });
  }

  /** A command of the human monitor, answered as text. */
  async monitor(command: string): Promise<string> {
    return String(await this.execute("human-monitor-command", { "command-line": command }));
  }

  close(): void {
    this.#socket.destroy();
  }
}
