import { writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { errorCode } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import { stopWork } from "./interrupt.ts";

/** What a shell reports of a program that wrote to a pipe which nobody reads any more: 128 and SIGPIPE's number. */
const CLOSED = 141;

/** Stdout takes no more; the reader has been told what there is to tell. */
export class OutputError extends Error {
  readonly exitCode: number;

  constructor(cause: Error) {
    super("stdout takes no more", { cause });
    this.exitCode = errorCode(cause) === "EPIPE" ? CLOSED : 2;
  }
}

/**
 * Ends the program when stdout takes no more: quietly where its reader has gone (`| head -1`), with an error where the
 * disk is full. Work that is under way is stopped, and cleans up first.
 */
export function watchOutput(): void {
  // There is nobody who could be told.
  process.stderr.on("error", () => {});
  if (!(process.stdout instanceof Socket)) takeAll(process.stdout);
  let failed = false;
  process.stdout.on("error", (cause: Error) => {
    if (failed) return;
    failed = true;
    const reason = new OutputError(cause);
    const { exitCode } = reason;
    process.on("exit", () => {
      process.exitCode = exitCode;
    });
    const said = exitCode === CLOSED ? "" : `error: cannot write to stdout: ${reasonOf(cause)}\n`;
    process.stderr.write(said, () => {
      if (!stopWork(reason)) process.exit(exitCode);
    });
  });
}

/** Node hands a text to a file once, and does not look how much of it the disk has taken. */
function takeAll(file: Writable): void {
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
