import { type FileHandle, open } from "node:fs/promises";
import type { Frame } from "../../schema/frames.ts";
import { type Part, partsOf } from "./parts.ts";
import { readTable } from "./table-file.ts";

/** Where the unpacked bytes of a frame are. */
interface Place {
  readonly image: string;
  readonly imageAt: number;
}

/**
 * The frames of an asset that cached images have. The images may be damaged, or be removed at any time, so the bytes must
 * be verified.
 */
export class CachedFrames {
  readonly #places = new Map<string, Place>();
  readonly #files = new Map<string, FileHandle>();

  private constructor() {}

  /** @param images the paths of cached images. Those without a table are not used. */
  static async of(images: readonly string[], parts: readonly Part[]): Promise<CachedFrames> {
    const cached = new CachedFrames();
    const wanted = new Set(parts.map(keyOf));
    for (const image of images) await cached.#add(image, wanted);
    return cached;
  }

  has(frame: Frame): boolean {
    return this.#places.has(keyOf(frame));
  }

  /** Fills a buffer with the bytes of a frame, from its byte `at` on. Returns false if they cannot be read. */
  async read(frame: Frame, into: Buffer, at: number): Promise<boolean> {
    const place = this.#places.get(keyOf(frame));
    const file = place && this.#files.get(place.image);
    if (!place || !file) return false;
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await file
        .read(into, done, into.length - done, place.imageAt + at + done)
        .catch(() => ({ bytesRead: 0 }));
      if (bytesRead === 0) return false;
      done += bytesRead;
    }
    return true;
  }

  /** The image that has a frame is damaged: none of its frames is used any more. Returns its path. */
  drop(frame: Frame): string | undefined {
    const image = this.#places.get(keyOf(frame))?.image;
    for (const [key, place] of this.#places) if (place.image === image) this.#places.delete(key);
    return image;
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
    this.#places.clear();
  }

  async #add(image: string, wanted: ReadonlySet<string>): Promise<void> {
    const table = await readTable(image);
    // An open file can be read until the end, also if it is removed meanwhile.
    const file = table && (await open(image).catch(() => undefined));
    if (!table || !file) return;
    try {
      const { size } = await file.stat();
      for (const part of partsOf(table, size)) {
        const key = keyOf(part);
        if (wanted.has(key) && !this.#places.has(key))
          this.#places.set(key, { image, imageAt: part.imageAt });
      }
      this.#files.set(image, file);
    } catch {
      // The table is not that of this file.
      await file.close();
    }
  }
}

const keyOf = ({ sha256, imageSize }: Frame) => `${sha256} ${imageSize}`;
