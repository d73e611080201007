import { type FileHandle, open } from "node:fs/promises";

/** The size of a block of the file systems that images hold, bytes. */
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);
/** The shortest run of zeros that becomes a hole, bytes. Shorter ones would cost more calls than they save space. */
const SHORTEST_HOLE = 8 * BLOCK;

/** A new file, in which long runs of zeros become holes. */
export class SparseFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<SparseFile> {
    return new SparseFile(await open(path, "w"));
  }

  /** Writes bytes. @param whole whether to write zeros too, because other bytes may have been written there */
  async write(bytes: Buffer, at: number, whole: boolean): Promise<void> {
    for (const [start, end] of whole ? [[0, bytes.length] as const] : filled(bytes)) {
      let done = start;
      while (done < end) done += (await this.#file.write(bytes, done, end - done, at + done)).bytesWritten;
    }
  }

  /** Gives the file its length: its last bytes may be a hole. */
  async finish(size: number): Promise<void> {
    await this.#file.truncate(size);
    await this.close();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The parts of some bytes that are not long runs of zeros: their first byte, and that after the last one. */
function* filled(bytes: Buffer): Generator<[start: number, end: number]> {
  let [start, end] = [0, 0];
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const next = Math.min(at + BLOCK, bytes.length);
    if (bytes.compare(ZEROS, 0, next - at, at, next) === 0) continue;
    if (at - end >= SHORTEST_HOLE || end === 0) {
      if (end > start) yield [start, end];
      start = at;
    }
    end = next;
  }
  if (end > start) yield [start, end];
}
