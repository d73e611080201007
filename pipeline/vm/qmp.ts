import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const CLOSED = "QEMU closed its control socket";

/** A connection to QEMU's machine protocol: one command at a time, each answered. */
export class Qmp {
  readonly #socket: Socket;
  #gone = false;
  readonly #answers: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];

  /** Connects to the socket on which QEMU listens, and negotiates. */
  static async open(path: string): Promise<Qmp> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const qmp = new Qmp(socket);
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => {
      const message = JSON.parse(line) as { return?: unknown; error?: { desc: string } };
      if (message.error) this.#answers.shift()?.reject(new Error(message.error.desc));
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
