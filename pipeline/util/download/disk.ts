import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { reasonOf } from "../reason.ts";
import { type Bytes, SourceError } from "./source.ts";

/** The bytes of a local file. Reading them throws SourceError if there is no such file, or it cannot be read. */
export function fromDisk(path: string): Bytes {
  let total: number | undefined;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const file = await stat(path).catch(() => undefined);
    if (!file?.isFile()) throw new SourceError("there is no such file");
    total = file.size;
    const pieces = createReadStream(path, { highWaterMark: 1 << 20 })[Symbol.asyncIterator]();
    for (;;) {
      const next = await pieces.next().catch((cause: unknown) => {
        throw new SourceError(`it cannot be read: ${reasonOf(cause)}`, { code: "not-readable", cause });
      });
      if (next.done) return;
      yield next.value;
    }
  }
  return { chunks: chunks(), total: () => total };
}
