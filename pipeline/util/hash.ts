import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";

/** The format of every sha256 in this project: 64 lower-case hex digits. */
export const SHA256 = /^[0-9a-f]{64}$/;

/** A stream that passes bytes on unchanged and adds them to `hash`. `onBytes` gets the total number of bytes so far. */
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

/** The sha256 of a file, lower-case hex. Reads it through one buffer of 1 MiB, whatever its size. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  await using file = await open(path);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
  }
}
