import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { PipelineError } from "../../util/error.ts";
import { BLOCK } from "./blocks.ts";
import type { Piece } from "./cut.ts";

/** How much is read or hashed at once, bytes. */
const CHUNK = 1 << 20;

/** The sha256 of each piece of an image, in the order of the pieces. Pieces of zeros are not read. */
export async function digestsOf(
  image: string,
  pieces: readonly Piece[],
  signal?: AbortSignal,
): Promise<string[]> {
  const zeros = zeroDigests(pieces.filter(({ zero }) => zero).map(({ count }) => count));
  const buffer = Buffer.allocUnsafe(CHUNK);
  await using file = await open(image);
  const digests: string[] = [];
  for (const { start, count, zero } of pieces) {
    if (zero) {
      digests.push(zeros.get(count)!);
      continue;
    }
    const hash = createHash("sha256");
    for (let at = start * BLOCK; at < (start + count) * BLOCK; ) {
      signal?.throwIfAborted();
      const wanted = Math.min(CHUNK, (start + count) * BLOCK - at);
      const { bytesRead } = await file.read(buffer, 0, wanted, at);
      if (bytesRead !== wanted) throw new PipelineError(`${image} ends at ${at + bytesRead} bytes`);
      hash.update(buffer.subarray(0, wanted));
      at += wanted;
    }
    digests.push(hash.digest("hex"));
  }
  return digests;
}

/** The sha256 of this many blocks of zeros, for each of these numbers. Zeros are hashed once, up to the largest. */
function zeroDigests(counts: readonly number[]): Map<number, string> {
  const zeros = Buffer.alloc(CHUNK);
  const hash: Hash = createHash("sha256");
  const digests = new Map<number, string>();
  let done = 0;
  for (const count of [...new Set(counts)].sort((a, b) => a - b)) {
    for (const end = count * BLOCK; done < end; ) {
      const length = Math.min(CHUNK, end - done);
      hash.update(zeros.subarray(0, length));
      done += length;
    }
    digests.set(count, hash.copy().digest("hex"));
  }
  return digests;
}
