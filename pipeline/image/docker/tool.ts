import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import type { Run } from "../../util/progress.ts";
import { OWNER_LABEL, removeContainer } from "./engine.ts";
import { toolInput } from "./tool-input.ts";

export interface ToolOptions {
  readonly image: string;
  readonly command: readonly string[];
  /** A directory of the host, mounted at `/work` in the container. */
  readonly work: string;
  /**
   * Directories of Docker's machine that are mounted over each other, the first on top, at `/rootfs`, read-only. The tool is
   * then root, because files of a root file system may be closed to others. @default none
   */
  readonly layers?: readonly string[];
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
  const input = await toolInput(docker, options.stdin, options.work);
  const container = await docker
    .createContainer({
      Image: options.image,
      Cmd: input.command(options.command),
      Env: ["LC_ALL=C.UTF-8"],
      ...(process.getuid && !options.layers ? { User: `${process.getuid()}:${process.getgid?.()}` } : {}),
      OpenStdin: options.stdin !== undefined,
      StdinOnce: true,
      Tty: false,
      Labels: { [OWNER_LABEL]: String(process.pid) },
      HostConfig: {
        Binds: [`${options.work}:/work`],
        NetworkMode: "none",
        ...(options.layers ? { Mounts: [overlay(options.layers)] } : {}),
      },
    })
    .catch(async (error) => {
      await input.end();
      throw error;
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
    const fed = input.feed(stream).catch((error: unknown) => {
      inputError = error;
      stop();
    });
    const { StatusCode } = await exited;
    await input.end();
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
    await input.end();
  }
}

/** A mount of layers. It has none to write to. Docker removes it with the container, because it is an anonymous volume. */
const overlay = (layers: readonly string[]): Docker.MountSettings => ({
  Type: "volume",
  Source: "",
  Target: "/rootfs",
  VolumeOptions: {
    NoCopy: true,
    Labels: {},
    DriverConfig: {
      Name: "local",
      Options: { type: "overlay", device: "overlay", o: `lowerdir=${layers.join(":")}` },
    },
  },
});
