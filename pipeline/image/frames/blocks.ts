import { open } from "node:fs/promises";
import { PipelineError } from "../../util/error.ts";
import type { SparseFile } from "../formats/sparse.ts";

/** The size of a block of an image's file system, bytes. Frames begin and end between blocks. */
export const BLOCK = 4096;

/** How many words of a block its fingerprint is made from. More of them make the same cuts in more time. */
const SAMPLED = 64;

/**
 * A number of 32 bits for each block of an image, which depends on its content alone; 0 for a block of zeros, and only
 * for that. Does not read the holes. @throws PipelineError if the image is shorter than its runs say
 */
export async function fingerprints(
  { path, size, runs }: SparseFile,
  signal?: AbortSignal,
): Promise<Uint32Array> {
  const result = new Uint32Array(Math.ceil(size / BLOCK));
  const buffer = Buffer.alloc(1 << 20);
  await using file = await open(path);
  for (const { start, end } of runs) {
    // A run may begin or end within a block.
    for (let at = start - (start % BLOCK); at < end; ) {
      signal?.throwIfAborted();
      const wanted = Math.min(buffer.length, size - at);
      const { bytesRead } = await file.read(buffer, 0, wanted, at);
      if (bytesRead !== wanted) throw new PipelineError(`${path} ends at ${at + bytesRead} of ${size} bytes`);
      const last = Math.min(at + wanted, end);
      for (let from = 0; at + from < last; from += BLOCK) {
        result[(at + from) / BLOCK] = fingerprint(buffer, from, Math.min(BLOCK, wanted - from));
      }
      at += wanted;
    }
  }
  return result;
}

const ZEROS = Buffer.alloc(BLOCK);

function fingerprint(buffer: Buffer, from: number, length: number): number {
  if (buffer.compare(ZEROS, 0, length, from, from + length) === 0) return 0;
  const step = Math.floor(length / 4 / SAMPLED) * 4 || 4;
  let hash = 0;
  for (let at = from; at + 4 <= from + length; at += step) {
    hash = Math.imul(hash ^ buffer.readUInt32LE(at), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0 || 1;
}
