import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import type { Run } from "../../util/progress.ts";
import { OWNER_LABEL, removeContainer } from "./engine.ts";

export interface ToolOptions {
  readonly image: string;
  readonly command: readonly string[];
  /** A directory of the host that the tool sees as `/work`. */
  readonly work: string;
  /** What the tool reads. @default nothing */
  readonly stdin?: Readable;
  /** Each piece of what the tool says. @default kept for the result alone */
  readonly onOutput?: (text: string) => void;
}

export interface ToolResult {
  readonly exitCode: number;
  readonly output: string;
}

/** How much of a tool's output is kept, characters. */
const KEPT_OUTPUT = 8192;

/**
 * Runs a command in a tool container as the host's user, without a network. Rejects when the container
 * cannot be run, or its input fails; a command that fails is a result.
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
    const hear = (chunk: Buffer) => {
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
    const sink = { write: hear } as unknown as Writable;
    docker.modem.demuxStream(stream, sink, sink);
    // Its last words may come after its end; and a tool that ends early does not take all of its input.
    const heard = finished(stream, { writable: false }).catch(() => {});
    // Asked before the start, so that the end cannot be missed; a container that never ran "is not running".
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
    await heard;
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

/** Gives a tool its input; the end of the input closes the tool's stdin. */
async function feed(input: Readable | undefined, stream: NodeJS.ReadWriteStream): Promise<void> {
  if (!input) return;
  input.pipe(stream);
  await finished(input);
}
