import { readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { runTool } from "../docker/tool.ts";
import { listRuns, parseRuns, type SparseFile } from "./sparse.ts";

/**
 * UUID of the file system and seed of its directory hashes. All images have the same: both are part of the
 * checksum of every metadata block, and images of one flavor should have as many equal blocks as possible.
 */
const UUID = "5d1c9b0e-3f0a-4b52-9a8e-7c2f6b1e4d10";
const MIB = 1 << 20;

export interface Ext4Options {
  /** The directory in which the image is made. */
  readonly directory: string;
  /** The image's file name. */
  readonly name: string;
  readonly sizeMib: number;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** The name of the tool container's image. */
  readonly tools: string;
  /** The size of all files in the tar, bytes: for the error if they do not fit. */
  readonly contentBytes: number;
  /** The setting that holds the size, for that error. */
  readonly sizeKnob: string;
}

/**
 * The size of the journal, MiB. Clients end a VMM like a power cut: without a journal, what a guest was writing then can
 * damage its directories. It is empty in the image, which it makes 2 KB larger when compressed.
 */
const JOURNAL_MIB = 16;

/** Makes an ext4 image from a tar, without root and without a mount. @throws PipelineError if that fails */
export async function makeExt4(
  docker: Docker,
  tar: Readable,
  options: Ext4Options,
  run: Run,
): Promise<SparseFile> {
  const partial = `${options.name}.partial`;
  const path = join(options.directory, partial);
  const list = `${options.name}.runs`;
  const script = [
    `truncate -s ${options.sizeMib}M /work/${partial}`,
    `SOURCE_DATE_EPOCH=${options.epoch} mke2fs -q -F -t ext4 -b 4096 -L smolvm-rootfs -J size=${JOURNAL_MIB} -m 0 ` +
      `-U ${UUID} -E hash_seed=${UUID},lazy_itable_init=0 -d - /work/${partial} ${options.sizeMib}M`,
    listRuns(`/work/${partial}`, `/work/${list}`),
  ].join(" && ");
  try {
    const result = await runTool(
      docker,
      { image: options.tools, command: ["sh", "-c", script], work: options.directory, stdin: tar },
      run,
    );
    if (result.exitCode !== 0) throw explain(result.output, options);
    const finished = join(options.directory, options.name);
    await rename(path, finished).catch((cause) => {
      throw new PipelineError(`the tool container wrote nothing to ${options.directory}`, {
        code: "not-writable",
        fix: "use a Docker Engine on this machine that can mount that directory",
        cause,
      });
    });
    const { size } = await stat(finished);
    const runs = parseRuns(await readFile(join(options.directory, list), "utf8"), size);
    return { path: finished, size, runs };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await rm(join(options.directory, list), { force: true });
  }
}

function explain(output: string, options: Ext4Options): PipelineError {
  const lastLine = output.trim().split("\n").at(-1) ?? "";
  if (/could not allocate|no free space|block.*allocat|journal size too big/i.test(output)) {
    // Metadata, the last block of each file and the journal take some space in addition to the content.
    const needed = Math.ceil((options.contentBytes * 1.15) / MIB) + 16 + JOURNAL_MIB;
    return new PipelineError(
      `${options.name} does not fit into ${options.sizeMib} MiB; it needs about ${needed} MiB`,
      { code: "over-budget", fix: `raise ${options.sizeKnob}` },
    );
  }
  if (/no space left/i.test(output)) return noSpace(options.directory);
  return new PipelineError(`mke2fs could not make ${options.name}: ${lastLine}`);
}

export const noSpace = (directory: string) =>
  new PipelineError(`no space left on the disk of ${directory}`, {
    ...{ code: "disk-full", fix: "`npx smolvm-images doctor` says how much a cell needs" },
  });
