import { writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { errorCode } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import { stopWork } from "./interrupt.ts";

/** The exit code after a write to a closed pipe, as shells report it: 128 plus the number of SIGPIPE. */
const CLOSED = 141;

/** stdout cannot be written. The message for the user has already been printed. */
export class OutputError extends Error {
  readonly exitCode: number;

  constructor(cause: Error) {
    super("stdout cannot be written", { cause });
    this.exitCode = errorCode(cause) === "EPIPE" ? CLOSED : 2;
  }
}

/**
 * Ends the program when stdout cannot be written: silently if the pipe is closed (`| head -1`), otherwise with an error,
 * for example if the disk is full. Running work is aborted and cleans up first.
 */
export function watchOutput(): void {
  // An error of stderr itself cannot be reported.
  process.stderr.on("error", () => {});
  if (!(process.stdout instanceof Socket)) writeCompletely(process.stdout);
  let failed = false;
  process.stdout.on("error", (cause: Error) => {
    if (failed) return;
    failed = true;
    const reason = new OutputError(cause);
    const { exitCode } = reason;
    process.on("exit", () => {
      process.exitCode = exitCode;
    });
    const message = exitCode === CLOSED ? "" : `error: cannot write to stdout: ${reasonOf(cause)}\n`;
    process.stderr.write(message, () => {
      if (!stopWork(reason)) process.exit(exitCode);
    });
  });
}

/** Makes writes to a file complete. Node calls write(2) once and ignores how many bytes were written. */
function writeCompletely(file: Writable): void {
  file._write = (chunk: Buffer, _, done) => {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(process.stdout.fd, chunk, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
