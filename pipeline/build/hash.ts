import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Passes bytes on unchanged, hashes them, and says how many have passed. */
export function tap(hash: Hash, onBytes: (done: number) => void = () => {}): Transform {
  let done = 0;
  return new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      done += chunk.length;
      onBytes(done);
      next(null, chunk);
    },
  });
}

/** The sha256 of a file, lower-case hex. Reads it once, a megabyte at a time. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, ...(signal ? [{ signal }] : []));
  return hash.digest("hex");
}
