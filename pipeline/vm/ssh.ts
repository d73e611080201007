import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { Client, ConnectConfig } from "ssh2";
import ssh2 from "ssh2";
import { PipelineError } from "../util/error.ts";
import type { CommandResult } from "./command-result.ts";

export interface KeyPair {
  /** OpenSSH format. */
  readonly privateKey: string;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
}

/**
 * Makes a new ed25519 key pair. About 1 of 200 pairs that ssh2 1.17 makes (16 of 3,000) cannot be read by ssh2
 * itself, so it could not log in with them. Such a pair is discarded.
 */
export function generateKey(): KeyPair {
  for (;;) {
    const { private: privateKey, public: publicKey } = ssh2.utils.generateKeyPairSync("ed25519", {
      comment: "smolvm",
    });
    if (!(ssh2.utils.parseKey(privateKey) instanceof Error)) return { privateKey, publicKey };
  }
}

/** The kernel parameter that passes a user's public key to `/init`. */
export const keyParameter = (publicKey: string) =>
  `smolvm.authorized_key_b64=${Buffer.from(`${publicKey.trim()}\n`).toString("base64")}`;

/** The time limit for one attempt to log in, ms. Under emulation the handshake takes seconds. */
const ATTEMPT_MS = 20_000;
const BETWEEN_ATTEMPTS_MS = 100;

/** Logs in as root, and retries until the guest answers. Rejects on abort, and at once if the guest refuses the key. */
export async function login(
  address: { readonly host: string; readonly port: number },
  key: KeyPair,
  signal: AbortSignal,
): Promise<Client> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt({ privateKey: key.privateKey, ...address }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if ((error as { level?: string }).level === "client-authentication") {
        throw new PipelineError("the guest's SSH server refuses the key that the guest was started with", {
          code: "login-failed",
          cause: error,
        });
      }
      await setTimeout(BETWEEN_ATTEMPTS_MS);
    }
  }
}

/** How long the first connection waits for an SSH server's first bytes before it is replaced, ms; and how much longer the next. */
const ANSWER_MS = 1_000;
const ANSWER_GROWTH = 1.1;

/**
 * Resolves as soon as an SSH server answers. Each connection is given up soon: QEMU's network accepts it before the guest
 * has a network, and then tries the guest again only after 6 s. Rejects on abort.
 */
export async function sshAnswers(
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<void> {
  for (let ms = ANSWER_MS; ; ms = Math.min(ms * ANSWER_GROWTH, ATTEMPT_MS)) {
    signal.throwIfAborted();
    if (await answersOnce(address, ms, signal)) return;
    await setTimeout(BETWEEN_ATTEMPTS_MS);
  }
}

async function answersOnce(
  address: { readonly host: string; readonly port: number },
  timeout: number,
  signal: AbortSignal,
): Promise<boolean> {
  const socket = connect({ ...address, timeout });
  const abort = () => void socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await new Promise((resolve) => {
      socket.once("data", () => resolve(true));
      for (const event of ["timeout", "close"]) socket.once(event, () => resolve(false));
      // Always followed by `close`.
      socket.on("error", () => {});
    });
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/** Tries once to log in as root. The default host is 127.0.0.1. */
export function attempt(options: ConnectConfig, signal: AbortSignal): Promise<Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const abort = () => {
      client.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
    const settle = (action: () => void) => {
      signal.removeEventListener("abort", abort);
      action();
    };
    client
      .on("ready", () => settle(() => resolve(client)))
      .on("error", (error) => settle(() => reject(error)))
      .on("close", () => settle(() => reject(new Error("closed"))))
      .connect({ host: "127.0.0.1", username: "root", readyTimeout: ATTEMPT_MS, ...options });
  });
}

/** Runs a command, given as a list of words, and waits until it ends. */
export function runCommand(
  client: Client,
  words: readonly string[],
  signal: AbortSignal,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      client.destroy();
      reject(signal.reason as Error);
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    client.exec(words.map(quote).join(" "), (error, channel) => {
      if (error) return reject(error);
      let output = "";
      let exitCode: number | null = null;
      const receive = (chunk: Buffer) => {
        output += chunk.toString("utf8");
      };
      channel.on("data", receive).stderr.on("data", receive);
      channel
        .on("exit", (code: number | null) => {
          exitCode = code;
        })
        .on("close", () => {
          signal.removeEventListener("abort", abort);
          resolve({ exitCode, output });
        });
    });
  });
}

/** Quotes a word for a shell. */
export const quote = (word: string) =>
  /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
