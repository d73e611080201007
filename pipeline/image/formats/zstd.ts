import { createHash } from "node:crypto";
import { open, rm, stat } from "node:fs/promises";
import type Docker from "dockerode";
import {
  encodeTable,
  type Frame,
  MAX_FRAME_IMAGE_SIZE,
  skippableFrame,
  tableFrame,
} from "../../schema/frames.ts";
import type { FramesPlace } from "../../schema/frames-place.ts";
import type { Run } from "../../util/progress.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { BLOCK, fingerprints } from "../frames/blocks.ts";
import { cut, type Limits } from "../frames/cut.ts";
import { digestsOf } from "../frames/digests.ts";
import { type Landmarks, placesIn } from "../frames/layout.ts";
import { packPieces } from "../frames/pack.ts";
import { FrameStore } from "../frames/store.ts";
import { type SparseFile, sha256Sparse } from "./sparse.ts";

export interface Compressed {
  readonly path: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** The digest of the uncompressed file. */
  readonly imageSha256: string;
  /** The size of the uncompressed file, bytes. */
  readonly imageSize: number;
  /** Where the table of its frames is. */
  readonly frames: FramesPlace;
}

export interface CompressOptions {
  /** The name of the tool container's image. */
  readonly tools: string;
  /** Whether its zstd may be another one than the inputs of the tool container say. @default false */
  readonly unpinned?: boolean;
  readonly level: number;
  /** Where frames are kept for other images that have the same content. */
  readonly store: string;
  /** Whether to ignore the frames that are kept. @default false */
  readonly fresh?: boolean;
  readonly landmarks: Landmarks;
  /** How large frames are. @default LIMITS */
  readonly limits?: Limits;
  /** How many frames are compressed at the same time. @default as many as the machine has cores */
  readonly jobs?: number;
}

/**
 * How large frames are. Larger ones make the asset smaller, smaller ones let more of it be reused. `bench/frames.ts` has
 * measured what each costs.
 */
const LIMITS: Limits = { most: (32 << 20) / BLOCK, large: MAX_FRAME_IMAGE_SIZE / BLOCK };

/**
 * Compresses an ext4 image to `<image>.zst` in the same directory, in several frames. Images with the same content have
 * the same frames, so those that another image of this flavor has are taken from the store. The bytes do not depend on
 * the machine, or on what the store has. @throws PipelineError if that fails
 */
export async function compress(
  docker: Docker,
  image: SparseFile,
  options: CompressOptions,
  run: Run,
): Promise<Compressed> {
  const frames = await packFrames(docker, image, options, run);
  const path = `${image.path}.zst`;
  const written = await writeFrames(path, frames.frames, run.signal);
  return { path, ...written, imageSha256: frames.imageSha256, imageSize: image.size };
}

/** Compresses the frames of an image into the store. @throws PipelineError if that fails */
export async function packFrames(
  docker: Docker,
  image: SparseFile,
  options: CompressOptions,
  run: Run,
): Promise<{ frames: StoredFrame[]; imageSha256: string }> {
  const { tools, level, fresh, jobs, limits = LIMITS } = options;
  const places = await placesIn(image.path, options.landmarks);
  const pieces = cut(await fingerprints(image, run.signal), places, limits);
  const digests = await digestsOf(image.path, pieces, run.signal);
  const store = await FrameStore.open(options.store, recipeOf(options), fresh);
  const paths = new Map<string, string>();
  for (const sha256 of new Set(digests)) {
    const path = await store.find(sha256, run.signal);
    if (path !== undefined) paths.set(sha256, path);
  }
  const missing = pieces.flatMap((piece, index) => {
    const sha256 = digests[index]!;
    return paths.has(sha256) || digests.indexOf(sha256) < index ? [] : [{ ...piece, sha256 }];
  });
  // zstd and the hash read the image at the same time.
  const listed = pieces.map(({ count }, index) => `${digests[index]} ${count * BLOCK}\n`).join("");
  const list = createHash("sha256").update(listed).digest("hex");
  const [packed, imageSha256] = await Promise.all([
    packPieces(docker, image.path, missing, { tools, level, jobs }, run),
    store.imageOf(list, () => sha256Sparse(image, run.signal)),
  ]);
  for (const [index, { sha256 }] of missing.entries())
    paths.set(sha256, await store.add(sha256, packed.paths[index]!, run.signal));
  await rm(packed.directory, { recursive: true, force: true });
  const frames = pieces.map(({ count }, index) => {
    const sha256 = digests[index]!;
    return { sha256, imageSize: count * BLOCK, path: paths.get(sha256)! };
  });
  return { frames, imageSha256 };
}

/** A compressed frame in the store. */
export interface StoredFrame extends Omit<Frame, "size"> {
  readonly path: string;
}

/** What the bytes of a frame depend on beside its content: the level, and the zstd of the tool container. */
const recipeOf = ({ level, tools, unpinned }: CompressOptions): string =>
  `${level}-${createHash("sha256").update(tools).digest("hex").slice(0, 12)}${unpinned ? "-live" : ""}`;

/** Writes the frames of an image, and what describes them, to a file. */
export async function writeFrames(
  path: string,
  stored: readonly StoredFrame[],
  signal: AbortSignal,
): Promise<Pick<Compressed, "sha256" | "size" | "frames">> {
  const hash = createHash("sha256");
  let size = 0;
  let frames: FramesPlace | undefined;
  await writeWhole(path, async (partial) => {
    await using file = await open(partial, "w");
    const write = async (bytes: Buffer) => {
      hash.update(bytes);
      await file.writeFile(bytes);
      size += bytes.length;
    };
    const written: Frame[] = [];
    for (const { sha256, imageSize, path: from } of stored) {
      const before = size;
      for await (const chunk of (await open(from)).createReadStream({ highWaterMark: 1 << 20 })) {
        signal.throwIfAborted();
        await write(chunk as Buffer);
      }
      written.push({ sha256, imageSize, size: size - before });
    }
    const table = encodeTable(written);
    const header = tableFrame(table);
    frames = {
      offset: size + header.length - table.length,
      size: table.length,
      sha256: createHash("sha256").update(table).digest("hex"),
    };
    await write(header);
    await write(seekTable(written));
  });
  return { sha256: hash.digest("hex"), size: (await stat(path)).size, frames: frames! };
}

/**
 * The seek table of frames without checksums, at the end of a file:
 * https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
 */
export function seekTable(frames: readonly Frame[]): Buffer {
  const payload = Buffer.alloc(frames.length * 8 + 9);
  let at = 0;
  for (const { size, imageSize } of frames) {
    at = payload.writeUInt32LE(size, at);
    at = payload.writeUInt32LE(imageSize, at);
  }
  at = payload.writeUInt32LE(frames.length, at);
  at = payload.writeUInt8(0, at);
  payload.writeUInt32LE(0x8f92eab1, at);
  return skippableFrame(0x184d2a5e, payload);
}
