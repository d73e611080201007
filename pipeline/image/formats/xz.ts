import { createHash } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import type Docker from "dockerode";
import { PipelineError } from "../../util/error.ts";
import { sha256File } from "../../util/hash.ts";
import type { Run } from "../../util/progress.ts";
import { runTool } from "../docker/tool.ts";
import { noSpace } from "./ext4.ts";
import type { Compressed } from "./zstd.ts";

/**
 * The kernel's decoder knows no check but CRC32, and no filter of other archs. Blocks of a fixed size are compressed in
 * parallel; the number of threads is fixed as well, because one thread alone would write one block.
 */
const XZ = "xz --check=crc32 --threads=4 --block-size=32MiB --no-adjust --stdout";
/** xz's own default. A higher level needs more memory in the machine that boots, and makes the file hardly smaller. */
const MOST_LEVEL = 6;

export interface XzOptions {
  /** The directory in which the file is made. */
  readonly directory: string;
  /** The file's name. */
  readonly name: string;
  /** The level that the user wants, as one of zstd. Levels above xz's default count as that. */
  readonly level: number;
  /** The name of the image of the container with xz (`ensureEfiTools`). */
  readonly tools: string;
}

/** Compresses a stream, so that Linux can unpack the file as its initramfs. @throws PipelineError if that fails */
export async function compressXz(
  docker: Docker,
  input: Readable,
  { directory, name, level, tools }: XzOptions,
  run: Run,
): Promise<Omit<Compressed, "frames">> {
  const partial = `${name}.partial`;
  const hash = createHash("sha256");
  let imageSize = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      imageSize += chunk.length;
      next(null, chunk);
    },
  });
  input.once("error", (error) => counted.destroy(error));
  try {
    const { exitCode, output } = await runTool(
      docker,
      {
        ...{ image: tools, work: directory, stdin: input.pipe(counted) },
        command: ["sh", "-c", `exec ${XZ} -${Math.min(level, MOST_LEVEL)} >/work/${partial}`],
      },
      run,
    );
    if (exitCode !== 0) {
      if (/no space left/i.test(output)) throw noSpace(directory);
      throw new PipelineError(`xz could not make ${name}: ${output.trim().split("\n").at(-1)}`);
    }
    const path = join(directory, name);
    await rename(join(directory, partial), path);
    return {
      path,
      sha256: await sha256File(path, run.signal),
      size: (await stat(path)).size,
      imageSha256: hash.digest("hex"),
      imageSize,
    };
  } catch (error) {
    await rm(join(directory, partial), { force: true });
    throw error;
  } finally {
    input.destroy();
  }
}
