import type { AddressInfo } from "node:net";
import ssh2 from "ssh2";
import { expect, it, onTestFinished } from "vitest";
import { auditGuest, listening } from "../../../../pipeline/vm/proof/guest-audit.ts";
import { attempt, generateKey } from "../../../../pipeline/vm/ssh.ts";

const never = new AbortController().signal;

interface Guest {
  /** Whether a login is let in. */
  readonly accepts?: (method: string, password: string | undefined) => boolean;
  readonly sockets?: string;
  readonly processes?: string;
}

/** A server that speaks SSH, lets keys in, and answers for a guest; returns what the audit says of it. */
async function audited({ accepts = () => false, sockets = "", processes = "" }: Guest) {
  const key = generateKey();
  const server = new ssh2.Server({ hostKeys: [generateKey().privateKey] }, (connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (context) => {
      const password = context.method === "password" ? context.password : undefined;
      if (context.method === "publickey" || accepts(context.method, password)) context.accept();
      else context.reject(["publickey", "password"]);
    });
    connection.on("session", (accept) => {
      accept().on("exec", (acceptCommand, _, { command }) => {
        const channel = acceptCommand();
        channel.write(command.includes("/proc/net") ? sockets : processes);
        channel.exit(0);
        channel.end();
      });
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const client = await attempt({ port, privateKey: key.privateKey }, never);
  try {
    await auditGuest(client, port, never);
    return [];
  } catch (error) {
    return (error as { details?: string[] }).details ?? [String(error)];
  } finally {
    client.end();
  }
}

const CLEAN = {
  sockets:
    "tcp sl local_address rem_address st\ntcp 0: 00000000:0016 00000000:0000 0A 0 0\ntcp 1: 0F02000A:0016 0202000A:8000 01 0 0\n",
  processes: "init\nsshd\nsshd-session\nsleep\ndate\nsmolvm-guest-ag\n",
};

it("finds nothing in a guest where SSH alone runs and listens, and keys alone are let in", async () => {
  expect(await audited(CLEAN)).toEqual([]);
});

it.each<[string, Guest, string]>([
  [
    "a server on another port",
    { sockets: `${CLEAN.sockets}tcp6 0: ${"0".repeat(32)}:1F90 ${"0".repeat(32)}:0000 0A 0\n` },
    "- something listens on tcp port 8080 [open-port]",
  ],
  [
    "a socket that takes datagrams",
    { sockets: `${CLEAN.sockets}udp 3: 00000000:0044 00000000:0000 07 0\n` },
    "- something listens on udp port 68 [open-port]",
  ],
  [
    "a process that nobody asked for",
    { processes: `${CLEAN.processes}cron\n` },
    '- a process "cron" runs [extra-process]',
  ],
])("finds %s", async (_, guest, finding) => {
  expect(await audited({ ...CLEAN, ...guest })).toEqual([finding]);
});

it.each<[string, NonNullable<Guest["accepts"]>]>([
  ["root:smolvm", (_, password) => password === "smolvm"],
  ["an empty password", (_, password) => password === ""],
  ["anybody", (method) => method === "none"],
])("finds that %s is let in", async (_, accepts) => {
  const [finding, ...others] = await audited({ ...CLEAN, accepts });
  expect(finding).toMatch(/^- root can log in without a key.* \[password-login\]$/);
  expect(others).toEqual([]);
});

it("tells a listening socket from a connection", () => {
  expect(listening(CLEAN.sockets.split("\n"))).toEqual(["tcp port 22"]);
});
