import { rm } from "node:fs/promises";
import type { FramesPlace } from "../../schema/frames-place.ts";
import { unwritable } from "../../util/download/download.ts";
import type { Patience } from "../../util/download/patience.ts";
import { downloadRanges } from "../../util/download/ranges.ts";
import { NoRanges, SourceError, Unavailable } from "../../util/download/source.ts";
import { isFileError, PipelineError } from "../../util/error.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import type { Run } from "../../util/progress.ts";
import { Assembly } from "./assembly.ts";
import { CachedFrames } from "./cached-frames.ts";
import { type Part, partsOf } from "./parts.ts";
import type { FrameTable } from "./table.ts";
import { isTable } from "./table-file.ts";

/** The least share of an asset that must be in the cache. For less, one request for the whole file is quicker. */
const LEAST_SAVED = 0.05;
/** The largest table that is read, bytes. One of 65,536 frames has 2.6 MB. */
export const MOST_TABLE = 4 << 20;

/** An asset that may be put together from frames. */
export interface Framed {
  readonly asset: string;
  /** Bytes on the wire. */
  readonly size: number;
  readonly image: { readonly sha256: string; readonly size: number };
  readonly frames: FramesPlace;
  /** The paths of cached images that have a table. */
  readonly cached: readonly string[];
}

/** How to fetch from a source. */
export interface FrameSource {
  readonly url: string;
  readonly giveUpMs: number | undefined;
  readonly patience: Partial<Patience> | undefined;
  /** Whether there are sources after it. */
  readonly isLast: boolean;
}

/** An image that was put together. */
export interface Reassembled {
  /** What was fetched, bytes. */
  readonly wireSize: number;
  readonly imageSha256: string;
  readonly table: FrameTable;
  readonly downloadMs: number;
  readonly finishMs: number;
}

/**
 * Puts an image together from the frames of cached images and from those that the sources have. Where there is any doubt,
 * it says so once, and the whole file is to be fetched.
 */
export class Reuse {
  readonly #framed: Framed;
  readonly #target: string;
  readonly #run: Run;
  #table: FrameTable | undefined;
  #cached: CachedFrames | undefined;
  #assembly: Assembly | undefined;
  #over: boolean;
  #fetched = 0;

  /** @param target the file to write */
  constructor(framed: Framed, target: string, run: Run) {
    this.#framed = framed;
    this.#target = target;
    this.#run = run;
    const { frames, size, cached } = framed;
    this.#over = cached.length === 0 || frames.size > MOST_TABLE || frames.offset + frames.size > size;
  }

  /**
   * Puts the image together with what a source has. Undefined if the whole file is to be fetched, from this source first.
   * After an error the next source goes on where this one ended.
   * @throws SourceError if another source may be better
   * @throws PipelineError if the file cannot be written
   */
  async from(source: FrameSource): Promise<Reassembled | undefined> {
    if (this.#over) return undefined;
    try {
      return await this.#from(source);
    } catch (error) {
      this.#run.signal.throwIfAborted();
      if (isFileError(error)) throw unwritable(this.#target, error);
      // Where another source is left, that is tried for the rest, as for a whole file.
      const doubt = error instanceof NoRanges || (source.isLast && !(error instanceof Unavailable));
      if (!(error instanceof SourceError) || !doubt) throw error;
      return await this.#whole(error.problem);
    }
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#assembly?.abandon();
    await this.#cached?.close();
    this.#assembly = undefined;
    this.#cached = undefined;
  }

  async #from(source: FrameSource): Promise<Reassembled | undefined> {
    const started = performance.now();
    const { asset, image, size } = this.#framed;
    const run = this.#run;
    if (!this.#assembly) {
      this.#table ??= await this.#readTable(source);
      const parts = partsIn(this.#table, image.size);
      if (!parts) return await this.#whole("the table of its frames cannot be used");
      this.#cached = await CachedFrames.of(this.#framed.cached, parts);
      if (savedOf(parts, this.#cached) < size * LEAST_SAVED) {
        await this.close();
        return undefined;
      }
      this.#assembly = await Assembly.create(this.#target, parts, this.#cached);
    }
    const assembly = this.#assembly;
    const total = this.#fetched + sizeOf(assembly.missing());
    run.progress.step(
      `${asset}: fetch ${humanBytes(total)} of ${humanBytes(size)}, copy the rest from cached images`,
    );
    let cameAt = performance.now();
    await assembly.proceed((ranges) => {
      const { url, giveUpMs, patience } = source;
      const onBytes = (count: number) => {
        this.#fetched += count;
        cameAt = performance.now();
        run.progress.bytes(this.#fetched, Math.max(total, this.#fetched));
      };
      return downloadRanges({ url, size, ranges, giveUpMs, patience, onBytes }, run);
    }, run);
    const imageSha256 = await assembly.finish();
    if (imageSha256 !== image.sha256) return await this.#whole("its frames are not those of its image");
    this.#assembly = undefined;
    return {
      ...{ wireSize: this.#fetched, imageSha256, table: this.#table! },
      ...{ downloadMs: cameAt - started, finishMs: performance.now() - cameAt },
    };
  }

  async #readTable({ url, giveUpMs, patience }: FrameSource): Promise<FrameTable> {
    const { frames: place, size } = this.#framed;
    const range = { start: place.offset, end: place.offset + place.size };
    const chunks: Uint8Array[] = [];
    for await (const chunk of downloadRanges({ url, size, ranges: [range], giveUpMs, patience }, this.#run)) {
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    if (isTable(bytes, place)) return { place, bytes };
    throw new SourceError("the table of its frames is not the one that the manifest names", {
      code: "digest-mismatch",
    });
  }

  /** From here on, the whole file is fetched. */
  async #whole(why: string): Promise<undefined> {
    await this.close();
    await rm(this.#target, { force: true });
    this.#run.progress.step(`fetch the whole of ${this.#framed.asset} (${why})`);
    return undefined;
  }
}

/** The frames of an asset; undefined if the table is not that of such an asset. */
function partsIn(table: FrameTable, imageSize: number): Part[] | undefined {
  try {
    return partsOf(table, imageSize);
  } catch (error) {
    if (error instanceof PipelineError) return undefined;
    throw error;
  }
}

const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, { size }) => sum + size, 0);

const savedOf = (parts: readonly Part[], cached: CachedFrames): number =>
  sizeOf(parts.filter((part) => cached.has(part)));
