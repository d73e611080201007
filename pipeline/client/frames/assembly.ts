import { createHash, type Hash } from "node:crypto";
import type { Range } from "../../util/download/http.ts";
import { SourceError } from "../../util/download/source.ts";
import type { Run } from "../../util/progress.ts";
import type { CachedFrames } from "./cached-frames.ts";
import type { Part } from "./parts.ts";
import { SparseFile } from "./sparse-file.ts";
import { Unpacked } from "./unpacked.ts";

/** How much is read, hashed and written at once, bytes. Frames may be too large to be held in memory. */
const PIECE = 1 << 20;
/** A frame of zeros is packed at least so well. Other frames are not compared with zeros. */
const ZEROS_RATIO = 1000;

/** Fetches parts of an asset, in order. */
export type Fetch = (ranges: readonly Range[]) => AsyncIterable<Uint8Array>;

/** Puts the next bytes of a frame, from its byte `at` on, into a buffer. Returns false if it cannot. */
type Fill = (into: Buffer, at: number) => Promise<boolean>;

/**
 * An image that is put together from frames, in its order: from cached images, and fetched ones. Each frame is verified
 * before the next one is begun, a wrong one is written over, and the image is hashed on the way. After a failure it can go
 * on from another source. The file is not to be used before the sha256 that `finish` returns is compared.
 */
export class Assembly {
  readonly #parts: readonly Part[];
  readonly #cached: CachedFrames;
  readonly #file: SparseFile;
  /** One is filled while the other is written. */
  readonly #buffers = [Buffer.allocUnsafeSlow(PIECE), Buffer.allocUnsafeSlow(PIECE)] as const;
  /** The frames that have only zeros. They are neither fetched nor written. */
  readonly #zeros: ReadonlySet<Part>;
  #image: Hash = createHash("sha256");
  /** The first frame that is not verified yet. */
  #next = 0;
  /** Whether bytes of that frame may have been written, which were wrong, or not all of it. */
  #torn = false;

  private constructor(parts: readonly Part[], cached: CachedFrames, file: SparseFile) {
    this.#parts = parts;
    this.#cached = cached;
    this.#file = file;
    this.#zeros = zerosIn(parts);
  }

  /** @throws an error of the file system if the file cannot be created */
  static async create(path: string, parts: readonly Part[], cached: CachedFrames): Promise<Assembly> {
    return new Assembly(parts, cached, await SparseFile.create(path));
  }

  /** The frames that have to be fetched. */
  missing(): Part[] {
    return this.#parts.slice(this.#next).filter((part) => !this.#zeros.has(part) && !this.#cached.has(part));
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
        else if (this.#zeros.has(part)) addZeros(this.#image, part.imageSize);
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
    const sha256 = await this.#write(part, async (into) => {
      await unpacked.fill(into);
      return true;
    });
    if (sha256 === part.sha256) return;
    throw new SourceError(`the sha256 of a frame is ${sha256}, expected ${part.sha256}`, {
      code: "digest-mismatch",
    });
  }

  async #fromCache(part: Part, run: Run): Promise<boolean> {
    const sha256 = await this.#write(part, (into, at) => this.#cached.read(part, into, at));
    if (sha256 === part.sha256) return true;
    const image = this.#cached.drop(part);
    if (sha256) {
      run.progress.warn(`${image} is damaged, and is not used: \`smolvm images --verify\` checks the cache`);
    }
    return false;
  }

  /**
   * Writes a frame, and returns the sha256 of its bytes; undefined if they could not be had. If they are right, the image's
   * hash has them.
   */
  async #write(part: Part, fill: Fill): Promise<string | undefined> {
    const [frame, image] = [createHash("sha256"), this.#image.copy()];
    const whole = this.#torn;
    this.#torn = true;
    let written = Promise.resolve();
    for (let at = 0, turn = 0; at < part.imageSize; at += PIECE, turn ^= 1) {
      const piece = this.#buffers[turn as 0 | 1].subarray(0, Math.min(PIECE, part.imageSize - at));
      const filled = await fill(piece, at).finally(() => written);
      if (!filled) return undefined;
      frame.update(piece);
      image.update(piece);
      written = this.#file.write(piece, part.imageAt + at, whole);
      // It may fail while the next bytes are awaited.
      written.catch(() => {});
    }
    await written;
    const sha256 = frame.digest("hex");
    if (sha256 !== part.sha256) return sha256;
    this.#image = image;
    this.#torn = false;
    return sha256;
  }
}

/** The frames that have only zeros, by their digests. */
function zerosIn(parts: readonly Part[]): Set<Part> {
  const candidates = parts
    .filter(({ size, imageSize }) => size * ZEROS_RATIO <= imageSize)
    .sort((a, b) => a.imageSize - b.imageSize);
  const found = new Set<Part>();
  const hash = createHash("sha256");
  let done = 0;
  for (const part of candidates) {
    addZeros(hash, part.imageSize - done);
    done = part.imageSize;
    if (hash.copy().digest("hex") === part.sha256) found.add(part);
  }
  return found;
}

const ZEROS = Buffer.alloc(PIECE);

function addZeros(hash: Hash, count: number): void {
  for (let left = count; left > 0; left -= PIECE) hash.update(ZEROS.subarray(0, Math.min(left, PIECE)));
}
