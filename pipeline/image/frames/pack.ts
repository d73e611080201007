import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import type Docker from "dockerode";
import { ZSTD_WINDOW_LOG } from "../../schema/defaults.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { runTool } from "../docker/tool.ts";
import { noSpace } from "../formats/ext4.ts";
import { BLOCK } from "./blocks.ts";
import type { Piece } from "./cut.ts";

/** What one zstd needs for a frame at the highest level, bytes. Measured: 0.4 GB for 128 MiB. */
const MEMORY = 2 ** 29;

/**
 * Compresses pieces of an image, each by itself, as many at a time as the machine has cores. It uses the zstd of the tool
 * container, so that the bytes are the same on every machine. Returns the path of each piece's frame, in the order of
 * `pieces`, in a directory beside the image, which the caller removes. @throws PipelineError if zstd fails
 */
export async function packPieces(
  docker: Docker,
  image: string,
  pieces: readonly Piece[],
  { tools, level, jobs = parallelJobs() }: { tools: string; level: number; jobs?: number | undefined },
  run: Run,
): Promise<{ directory: string; paths: string[] }> {
  const work = dirname(image);
  const name = `frames.${basename(image)}`;
  const directory = join(work, name);
  const paths = pieces.map((_, index) => join(directory, `${index}.zst`));
  if (pieces.length === 0) return { directory, paths };
  await mkdir(directory, { recursive: true });
  // The largest first, so that no core is left with one when the others have finished.
  const list = pieces
    .map((piece, index) => ({ ...piece, index }))
    .sort((a, b) => b.count - a.count)
    .map(({ start, count, index }) => `${index} ${start} ${count} ${count * BLOCK}\n`);
  await writeFile(join(directory, "list"), list.join(""));
  // Zeros take no time.
  const bytesOf = (piece: Piece | undefined) => (!piece || piece.zero ? 0 : piece.count * BLOCK);
  const total = pieces.reduce((sum, piece) => sum + bytesOf(piece), 0);
  let done = 0;
  let rest = "";
  try {
    const result = await runTool(
      docker,
      {
        image: tools,
        command: ["sh", "-c", script(`/work/${basename(image)}`, `/work/${name}`, level, jobs)],
        work,
        onOutput: (text) => {
          const lines = (rest + text).split("\n");
          rest = lines.pop()!;
          for (const line of lines) {
            const index = /^packed (\d+)$/.exec(line)?.[1];
            if (index === undefined) continue;
            done += bytesOf(pieces[Number(index)]);
            run.progress.bytes(done, total);
          }
        },
      },
      run,
    );
    if (result.exitCode === 0) return { directory, paths };
    if (/no space left/i.test(result.output)) throw noSpace(work);
    const lines = result.output.split("\n").filter((line) => line !== "" && !line.startsWith("packed "));
    throw new PipelineError(`zstd could not compress ${image}: ${lines.at(-1) ?? "it ended early"}`);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * The script of the tool container. `-T1` gives the same bytes as any number of threads. With `--stream-size` the size is
 * in the frame's header, and zstd fails if it gets another number of bytes.
 */
const script = (image: string, directory: string, level: number, jobs: number): string => {
  const one =
    `dd if=${image} bs=${BLOCK} skip=$2 count=$3 status=none | ` +
    `zstd -q -${level} --long=${ZSTD_WINDOW_LOG} -T1 --stream-size=$4 -f -o ${directory}/$1.zst && echo packed $1`;
  return `exec xargs -P ${jobs} -n 4 sh -c '${one}' sh < ${directory}/list`;
};

const parallelJobs = (): number =>
  Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2 / MEMORY)));
