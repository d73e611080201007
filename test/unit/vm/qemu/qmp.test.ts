import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { Qmp } from "../../../../pipeline/vm/qemu/qmp.ts";
import { tempDirectory } from "../../../support/run.ts";

interface Command {
  readonly execute: string;
  readonly arguments?: object;
}

const GREETING = { QMP: { version: { qemu: { major: 7, minor: 2, micro: 0 } }, capabilities: [] } };

/** QEMU's side of the protocol on a socket of the test; `answer` returns the lines that a command gets. */
async function startQemu(answer: (command: Command, socket: Socket) => readonly object[]) {
  const path = join(tempDirectory(), "qmp.sock");
  const commands: Command[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const send = (message: object) => socket.write(`${JSON.stringify(message)}\r\n`);
    send(GREETING);
    createInterface({ input: socket }).on("line", (line) => {
      const command = JSON.parse(line) as Command;
      commands.push(command);
      for (const message of command.execute === "qmp_capabilities"
        ? [{ return: {} }]
        : answer(command, socket)) {
        send(message);
      }
    });
  }).listen(path);
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { path, commands };
}

async function open(path: string): Promise<Qmp> {
  const qmp = await Qmp.open(path);
  onTestFinished(() => qmp.close());
  return qmp;
}

describe("QEMU's machine protocol", () => {
  it("is negotiated before the first command", async () => {
    const { path, commands } = await startQemu(() => [{ return: { status: "running" } }]);
    const qmp = await open(path);
    expect(await qmp.execute("query-status")).toEqual({ status: "running" });
    expect(commands).toEqual([{ execute: "qmp_capabilities" }, { execute: "query-status" }]);
  });

  it("hands over arguments, and the human monitor's answer as text", async () => {
    const { path, commands } = await startQemu(() => [{ return: "hostfwd 127.0.0.1:4022\r\n" }]);
    const qmp = await open(path);
    expect(await qmp.monitor("info usernet")).toBe("hostfwd 127.0.0.1:4022\r\n");
    expect(commands.at(-1)).toEqual({
      execute: "human-monitor-command",
      arguments: { "command-line": "info usernet" },
    });
  });

  it("answers commands in their order, whatever events come between", async () => {
    const event = { event: "NIC_RX_FILTER_CHANGED", timestamp: { seconds: 1, microseconds: 2 } };
    const { path } = await startQemu(({ execute }) => [event, { return: execute }, event]);
    const qmp = await open(path);
    const names = ["first", "second", "third"];
    expect(await Promise.all(names.map((name) => qmp.execute(name)))).toEqual(names);
  });

  it("says in QEMU's words why a command failed, and takes the next one", async () => {
    const { path } = await startQemu(({ execute }) => [
      execute === "bad"
        ? { error: { class: "CommandNotFound", desc: "The command bad has not been found" } }
        : { return: "fine" },
    ]);
    const qmp = await open(path);
    await expect(qmp.execute("bad")).rejects.toThrow("The command bad has not been found");
    expect(await qmp.execute("good")).toBe("fine");
  });

  it("fails a command that QEMU dies over", async () => {
    const { path } = await startQemu((_, socket) => {
      socket.destroy();
      return [];
    });
    const qmp = await open(path);
    await expect(qmp.execute("quit")).rejects.toThrow("QEMU closed its control socket");
  });

  it("cannot be opened where no QEMU listens", async () => {
    await expect(Qmp.open(join(tempDirectory(), "qmp.sock"))).rejects.toThrow("ENOENT");
  });
});
