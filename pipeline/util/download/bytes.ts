import { Writable } from "node:stream";
import type { Run } from "../progress.ts";
import { type DownloadRequest, download } from "./download.ts";

/**
 * Downloads a small file into memory. @param request `most` bounds its size, bytes
 * @throws SourceError when the source does not have the right bytes
 */
export async function downloadBytes(
  request: DownloadRequest & { readonly most: number },
  run: Run,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const sink = () => {
    pieces.length = 0;
    const stream = new Writable({
      write(piece: Uint8Array, _, next) {
        pieces.push(piece);
        next();
      },
    });
    return { stream, done: Promise.resolve(), path: "memory" };
  };
  await download(request, sink, run);
  return Buffer.concat(pieces);
}
