import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import type { Run } from "../../util/progress.ts";
import { OWNER_LABEL, removeContainer } from "./engine.ts";

export interface ToolOptions {
  readonly image: string;
  readonly command: readonly string[];
  /** A directory of the host, mounted at `/work` in the container. */
  readonly work: string;
  /** The tool's standard input. @default empty */
  readonly stdin?: Readable;
  /** Called with each chunk of the tool's output. @default none */
  readonly onOutput?: (text: string) => void;
}

export interface ToolResult {
  readonly exitCode: number;
  /** The last KEPT_OUTPUT characters of stdout and stderr. */
  readonly output: string;
}

/** How much of a tool's output is kept, characters. */
const KEPT_OUTPUT = 8192;

/**
 * Runs a command in a tool container as the host's user, without a network. Rejects if the container
 * cannot be run or reading its input fails. A command that fails does not reject: see `exitCode`.
 */
export async function runTool(docker: Docker, options: ToolOptions, run: Run): Promise<ToolResult> {
  run.signal.throwIfAborted();
  const container = await docker.createContainer({
    Image: options.image,
    Cmd: [...options.command],
    Env: ["LC_ALL=C.UTF-8"],
    ...(process.getuid ? { User: `${process.getuid()}:${process.getgid?.()}` } : {}),
    OpenStdin: options.stdin !== undefined,
    StdinOnce: true,
    Tty: false,
    Labels: { [OWNER_LABEL]: String(process.pid) },
    HostConfig: { Binds: [`${options.work}:/work`], NetworkMode: "none" },
  });
  const stop = () => void removeContainer(docker, container.id).catch(() => {});
  run.signal.addEventListener("abort", stop, { once: true });
  try {
    let output = "";
    const receive = (chunk: Buffer) => {
      const text = chunk.toString("utf8");
      output = (output + text).slice(-KEPT_OUTPUT);
      options.onOutput?.(text);
    };
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    });
    const sink = { write: receive } as unknown as Writable;
    docker.modem.demuxStream(stream, sink, sink);
    // Output may arrive after the tool has ended. A tool that ends early does not read all of its input.
    const received = finished(stream, { writable: false }).catch(() => {});
    // Called before the start, so that the exit cannot be missed (a container that never ran counts as not running).
    const exited = container.wait({ condition: "next-exit" }) as Promise<{ StatusCode: number }>;
    await container.start();
    let inputError: unknown;
    const fed = feed(options.stdin, stream).catch((error: unknown) => {
      inputError = error;
      stop();
    });
    const { StatusCode } = await exited;
    run.signal.throwIfAborted();
    if (inputError) throw inputError;
    await received;
    if (StatusCode === 0) await fed;
    return { exitCode: StatusCode, output };
  } catch (error) {
    run.signal.throwIfAborted();
    throw error;
  } finally {
    run.signal.removeEventListener("abort", stop);
    options.stdin?.destroy();
    await removeContainer(docker, container.id);
  }
}

/** Sends a tool its input. The tool's stdin is closed at the end of the input. */
async function feed(input: Readable | undefined, stream: NodeJS.ReadWriteStream): Promise<void> {
  if (!input) return;
  input.pipe(stream);
  await finished(input);
}
