import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { x } from "tinyexec";
import { errorCode } from "../../util/error.ts";

/** How a tool gets its standard input. */
export interface ToolInput {
  /** The tool's command, so that it reads this input. */
  command(command: readonly string[]): string[];
  /** Sends the input. Rejects if reading it fails; not if the tool ends early. */
  feed(stdin: NodeJS.ReadWriteStream): Promise<void>;
  /** Called when the tool has ended, or has not been started; more than once does no harm. */
  end(): Promise<void>;
}

/** The input of a tool whose directory `/work` is `work`. */
export async function toolInput(
  docker: Docker,
  input: Readable | undefined,
  work: string,
): Promise<ToolInput> {
  if (!input) return { command: (command) => [...command], feed: async () => {}, end: async () => {} };
  if (await isOnThisKernel(docker)) return await namedPipe(input, work);
  return {
    command: (command) => [...command],
    // The tool's stdin is closed at the end of the input.
    feed: async (stdin) => {
      input.pipe(stdin);
      await finished(input);
    },
    end: async () => {},
  };
}

/** Whether containers run on the kernel of this machine, and not in a virtual machine or elsewhere. */
async function isOnThisKernel(docker: Docker): Promise<boolean> {
  if (process.platform !== "linux") return false;
  return (await docker.version()).KernelVersion === release();
}

/** How much is written at once, bytes. */
const CHUNK = 1 << 20;

/**
 * A perl program that makes the pipe on its stdin hold a MiB instead of 64 KiB (F_SETPIPE_SZ), where that is allowed, and then
 * becomes the tool. On a busy machine most of the time would else be spent on switching between the pipe's two ends.
 */
const WIDEN = "fcntl(STDIN, 1031, 1 << 20); exec { $ARGV[0] } @ARGV or die";

/**
 * A named pipe in `/work`. Docker's own way to a container's stdin copies every byte through two more processes, which for a
 * root file system takes longer than making an image of it.
 */
async function namedPipe(input: Readable, work: string): Promise<ToolInput> {
  const name = `.stdin-${randomUUID()}`;
  const path = join(work, name);
  await x("mkfifo", [path], { throwOnError: true });
  let opening: Promise<FileHandle> | undefined;
  return {
    command: (command) => ["sh", "-c", `exec perl -e '${WIDEN}' -- "$@" < /work/${name}`, "sh", ...command],
    async feed() {
      // Waits until the tool opens the pipe, too.
      opening = open(path, "w");
      try {
        await pipeline(input, (await opening).createWriteStream({ highWaterMark: CHUNK }));
      } catch (error) {
        // The tool has ended.
        if (errorCode(error) !== "EPIPE") throw error;
      }
    },
    async end() {
      // A tool that has ended without opening the pipe leaves `feed` waiting for a reader.
      const reader = opening && (await open(path, constants.O_RDONLY | constants.O_NONBLOCK));
      await opening;
      await reader?.close();
      opening = undefined;
      await rm(path, { force: true });
    },
  };
}
