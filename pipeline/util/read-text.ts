import { createReadStream } from "node:fs";

/**
 * The text that comes in pieces: a file's, a pipe's, an answer's.
 * @throws Error at more than `most` bytes: whatever it is, it is not what a person meant to give
 */
export async function textOf(pieces: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > most) throw new Error(`it is larger than ${most} bytes`);
    kept.push(piece);
  }
  return Buffer.concat(kept).toString("utf8");
}

/** The text of a file, at most so many bytes. @throws Error the system's, or when it is larger */
export const readText = (path: string, most: number): Promise<string> => textOf(createReadStream(path), most);
