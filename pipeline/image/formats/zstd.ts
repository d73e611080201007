import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type Docker from "dockerode";
import { ZSTD_WINDOW_LOG } from "../../schema/defaults.ts";
import { PipelineError } from "../../util/error.ts";
import { sha256File } from "../../util/hash.ts";
import type { Run } from "../../util/progress.ts";
import { runTool } from "../docker/tool.ts";
import { noSpace } from "./ext4.ts";

export interface Compressed {
  readonly path: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** The digest of the uncompressed file. */
  readonly imageSha256: string;
  /** The size of the uncompressed file, bytes. */
  readonly imageSize: number;
}

/**
 * Compresses `image` to `<image>.zst` in the same directory. It uses the zstd of the tool container, so that the
 * bytes are the same on every machine; they do not depend on the number of threads. @throws PipelineError if that fails
 */
export async function compress(
  docker: Docker,
  image: string,
  options: { tools: string; level: number },
  run: Run,
): Promise<Compressed> {
  const directory = dirname(image);
  const name = `${basename(image)}.zst`;
  const partial = `${name}.partial`;
  const { size: imageSize } = await stat(image);
  const command = `exec zstd -${options.level} --long=${ZSTD_WINDOW_LOG} -T0 -f -v --progress -o /work/${partial} /work/${basename(image)}`;
  try {
    // zstd and the hash read the image at the same time.
    const [result, imageSha256] = await Promise.all([
      runTool(
        docker,
        {
          image: options.tools,
          command: ["sh", "-c", command],
          work: directory,
          onOutput: (text) => {
            const done = consumed(text);
            // Only some of the lines that zstd prints are progress.
            if (done > 0) run.progress.bytes(done, imageSize);
          },
        },
        run,
      ),
      sha256File(image, run.signal),
    ]);
    if (result.exitCode !== 0) {
      if (/no space left/i.test(result.output)) throw noSpace(directory);
      throw new PipelineError(`zstd could not compress ${image}: ${result.output.trim().split("\n").at(-1)}`);
    }
    const finished = join(directory, name);
    await rename(join(directory, partial), finished);
    return {
      path: finished,
      sha256: await sha256File(finished, run.signal),
      size: (await stat(finished)).size,
      imageSha256,
      imageSize,
    };
  } catch (error) {
    await rm(join(directory, partial), { force: true });
    throw error;
  }
}

/**
 * How much of its input zstd has read, bytes, from its progress line: `(L19) Buffered: 1.75 MiB - Consumed:  266 MiB -
 * Compressed: …`.
 */
export function consumed(progress: string): number {
  const [, number = "0", unit = ""] = /Consumed: *([0-9.]+) ([KMG]?)i?B/.exec(progress) ?? [];
  return Number(number) * { "": 1, K: 1 << 10, M: 1 << 20, G: 1 << 30 }[unit]!;
}
