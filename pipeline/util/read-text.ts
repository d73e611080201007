import { createReadStream } from "node:fs";

/**
 * Reads a stream (a file, a pipe, an HTTP response).
 * @param most the maximum size, bytes
 * @throws Error when the stream is larger than `most`
 */
export async function bytesOf(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  most: number,
): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > most) throw new Error(`it is larger than ${most} bytes`);
    kept.push(piece);
  }
  return Buffer.concat(kept);
}

/** Reads a stream as UTF-8 text. @param most the maximum size, bytes @throws Error when it is larger */
export const textOf = async (pieces: AsyncIterable<Uint8Array>, most: number): Promise<string> =>
  (await bytesOf(pieces, most)).toString("utf8");

/** Reads a file as UTF-8 text. @param most the maximum size, bytes @throws Error when it cannot be read, or is larger */
export const readText = (path: string, most: number): Promise<string> => textOf(createReadStream(path), most);
