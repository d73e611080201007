import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { sshAnswers } from "../../../pipeline/vm/ssh.ts";

/** A port at which `serve` gets each connection, with its number. */
async function port(serve: (socket: Socket, nth: number) => void): Promise<number> {
  let count = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    serve(socket, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address ? address.port : expect.fail("no port");
}

describe("a guest without a console", () => {
  it("is ready when its SSH server answers, though earlier connections were refused or never answered", async () => {
    const seen: number[] = [];
    const at = await port((socket, nth) => {
      seen.push(nth);
      if (nth === 1) socket.destroy();
      // The second is left open, as QEMU's network leaves one that the guest has not heard of.
      if (nth === 3) socket.write("SSH-2.0-OpenSSH\r\n");
    });
    await sshAnswers({ host: "127.0.0.1", port: at }, AbortSignal.timeout(30_000));
    expect(seen).toEqual([1, 2, 3]);
  });

  it("is waited for until the wait is ended, with the reason for that", async () => {
    const abort = new AbortController();
    const at = await port(() => abort.abort(new Error("the machine ended")));
    await expect(sshAnswers({ host: "127.0.0.1", port: at }, abort.signal)).rejects.toThrow(
      "the machine ended",
    );
  });
});
