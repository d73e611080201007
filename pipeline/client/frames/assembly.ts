import { createHash, type Hash } from "node:crypto";
import type { Range } from "../../util/download/http.ts";
import { SourceError } from "../../util/download/source.ts";
import type { Run } from "../../util/progress.ts";
import type { CachedFrames } from "./cached-frames.ts";
import type { Part } from "./parts.ts";
import { SparseFile } from "./sparse-file.ts";
import { Unpacked } from "./unpacked.ts";

/** How much is hashed or compared at once, bytes. */
const PIECE = 1 << 20;
/** A frame of zeros is packed at least so well. The rest of the frames are not compared with zeros. */
const ZEROS_RATIO = 1000;

/** Fetches parts of an asset, in order. */
export type Fetch = (ranges: readonly Range[]) => AsyncIterable<Uint8Array>;

/**
 * An image that is put together from frames, in its order: from cached images, and fetched ones. Each frame is verified
 * before it is written, and the image is hashed on the way. After a failure it can go on from another source.
 */
export class Assembly {
  readonly #parts: readonly Part[];
  readonly #cached: CachedFrames;
  readonly #file: SparseFile;
  /** One frame. */
  readonly #buffer: Buffer;
  /** By size: the sha256 of so many zeros. */
  readonly #zeros = new Map<number, string>();
  #image: Hash = createHash("sha256");
  /** The first frame that is not written yet. */
  #next = 0;

  private constructor(parts: readonly Part[], cached: CachedFrames, file: SparseFile) {
    this.#parts = parts;
    this.#cached = cached;
    this.#file = file;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(0, ...parts.map(({ imageSize }) => imageSize)));
  }

  /** @throws an error of the file system if the file cannot be created */
  static async create(path: string, parts: readonly Part[], cached: CachedFrames): Promise<Assembly> {
    return new Assembly(parts, cached, await SparseFile.create(path));
  }

  /** The frames that have to be fetched. */
  missing(): Part[] {
    return this.#parts.slice(this.#next).filter((part) => !this.#isZeros(part) && !this.#cached.has(part));
  }

  /**
   * Writes the frames that are not written yet.
   * @throws SourceError if a fetched frame does not have the right bytes; what `fetch` throws; an error of the file system
   */
  async proceed(fetch: Fetch, run: Run): Promise<void> {
    while (!(await this.#pass(fetch, run)));
  }

  /** The sha256 of the image, after its last frame is written. */
  async finish(): Promise<string> {
    const last = this.#parts.at(-1);
    await this.#file.finish(last ? last.imageAt + last.imageSize : 0);
    return this.#image.digest("hex");
  }

  /** Closes the file of an image that is not finished. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  /** Returns false if a cached frame turned out to be damaged, so that other frames must be fetched than was planned. */
  async #pass(fetch: Fetch, run: Run): Promise<boolean> {
    const missing = this.missing();
    const fetched = new Set(missing);
    const ranges = missing.map(({ at, size }) => ({ start: at, end: at + size }));
    const unpacked = missing.length > 0 ? new Unpacked(fetch(ranges)) : undefined;
    try {
      for (const part of this.#parts.slice(this.#next)) {
        run.signal.throwIfAborted();
        if (fetched.has(part)) await this.#fromSource(part, unpacked!);
        else if (this.#isZeros(part)) this.#addZeros(part);
        else if (!(await this.#fromCache(part, run))) return false;
        this.#next++;
      }
      await unpacked?.end();
      return true;
    } finally {
      await unpacked?.close();
    }
  }

  async #fromSource(part: Part, unpacked: Unpacked): Promise<void> {
    const bytes = this.#buffer.subarray(0, part.imageSize);
    const [frame, image] = [createHash("sha256"), this.#image.copy()];
    await unpacked.fill(bytes, (piece) => {
      frame.update(piece);
      image.update(piece);
    });
    const sha256 = frame.digest("hex");
    if (sha256 !== part.sha256) {
      throw new SourceError(`the sha256 of a frame is ${sha256}, expected ${part.sha256}`, {
        code: "digest-mismatch",
      });
    }
    await this.#file.write(bytes, part.imageAt);
    this.#image = image;
  }

  async #fromCache(part: Part, run: Run): Promise<boolean> {
    const bytes = this.#buffer.subarray(0, part.imageSize);
    if (!(await this.#cached.read(part, bytes))) return false;
    const [frame, image] = [createHash("sha256"), this.#image.copy()];
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      frame.update(piece);
      image.update(piece);
    }
    if (frame.digest("hex") !== part.sha256) {
      run.progress.warn(
        `${this.#cached.drop(part)} is damaged, and is not used: \`smolvm images --verify\` checks the cache`,
      );
      return false;
    }
    await this.#file.write(bytes, part.imageAt);
    this.#image = image;
    return true;
  }

  #isZeros({ sha256, size, imageSize }: Part): boolean {
    if (size * ZEROS_RATIO > imageSize) return false;
    if (!this.#zeros.has(imageSize)) {
      const hash = createHash("sha256");
      addZeros(hash, imageSize);
      this.#zeros.set(imageSize, hash.digest("hex"));
    }
    return this.#zeros.get(imageSize) === sha256;
  }

  /** Zeros are not written: the file has a hole there. */
  #addZeros({ imageSize }: Part): void {
    addZeros(this.#image, imageSize);
  }
}

const ZEROS = Buffer.alloc(PIECE);

function addZeros(hash: Hash, count: number): void {
  for (let left = count; left > 0; left -= PIECE) hash.update(ZEROS.subarray(0, Math.min(left, PIECE)));
}
