import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { PipelineError } from "../../util/error.ts";

/** A part of a file that has data: from `start` to before `end`, bytes. */
export interface DataRun {
  readonly start: number;
  readonly end: number;
}

/** A file of which large parts are holes. They read as zeros and are not on the disk. */
export interface SparseFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** In order, without overlap. Whatever is outside of them is zero. */
  readonly runs: readonly DataRun[];
}

/**
 * A shell command that writes the runs of the file `path` to `list`, one `start end` in a line. Node cannot ask for holes;
 * perl, which every Debian has, can: its `sysseek` passes lseek's SEEK_DATA (3) and SEEK_HOLE (4) to the kernel. On a file
 * system without holes the whole file is one run.
 */
export const listRuns = (path: string, list: string): string =>
  `perl -e '${[
    "use strict; my $size = -s STDIN;",
    "for (my $at = 0; $at < $size; ) {",
    "my $start = sysseek(STDIN, $at, 3);",
    // ENXIO: there is no data after this position.
    "last if !defined $start && $! == 6;",
    "$start = $at if !defined $start;",
    "$at = sysseek(STDIN, $start, 4) || $size;",
    'printf "%d %d\\n", $start, $at;',
    "}",
  ].join(" ")}' < ${path} > ${list}`;

/** Reads what `listRuns` has written. @throws PipelineError if it is not a list of runs of a file of this size */
export function parseRuns(text: string, size: number): DataRun[] {
  const runs: DataRun[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, start, end] = (/^(\d+) (\d+)$/.exec(line) ?? []).map(Number);
    const after = runs.at(-1)?.end ?? 0;
    if (start === undefined || end === undefined || start < after || end <= start || end > size) {
      throw new PipelineError(
        `the list of an image's data has "${line}", which is no part of its ${size} bytes`,
      );
    }
    runs.push({ start, end });
  }
  return runs;
}

/** How much is read or hashed at once, bytes. */
const CHUNK = 1 << 20;
/** After this many chunks of zeros, other work gets a turn. */
const TURN = 16;

/** The sha256 of a sparse file, lower-case hex: the same as of the whole file, but its holes are not read. */
export async function sha256Sparse({ path, size, runs }: SparseFile, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const zeros = Buffer.alloc(CHUNK);
  const buffer = Buffer.allocUnsafe(CHUNK);
  await using file = await open(path);
  let at = 0;
  const skipTo = async (end: number) => {
    for (let turn = 1; at < end; turn++) {
      const length = Math.min(CHUNK, end - at);
      hash.update(length === CHUNK ? zeros : zeros.subarray(0, length));
      at += length;
      if (turn % TURN === 0) await setImmediate();
      signal?.throwIfAborted();
    }
  };
  for (const { start, end } of runs) {
    await skipTo(start);
    while (at < end) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, end - at), at);
      if (bytesRead === 0) throw new PipelineError(`${path} ends at ${at} of ${size} bytes`);
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
  await skipTo(size);
  return hash.digest("hex");
}
