import type { FramesPlace } from "../schema/frames-place.ts";
import { assetNameOf } from "../schema/names.ts";
import { type Downloaded, download as downloadFrom, toFile } from "../util/download/download.ts";
import { SourceError, Unavailable } from "../util/download/source.ts";
import { PipelineError } from "../util/error.ts";
import { type Place, placeOf } from "../util/place.ts";
import type { Run } from "../util/progress.ts";
import { type Framed, MOST_TABLE, Reuse } from "./frames/reuse.ts";
import type { FrameTable } from "./frames/table.ts";
import { isTable } from "./frames/table-file.ts";
import { ImageError } from "./image-error.ts";
import type { Remote } from "./manifest.ts";
import { fileOf, type Mirror } from "./mirrors.ts";
import type { PullPatience } from "./patience.ts";
import { unpackTo } from "./unpack.ts";

/** A downloaded file. */
export interface Fetched extends Downloaded {
  /** The size of the file on the wire, bytes. */
  readonly size: number;
  /** The sha256 of what was written; undefined if it is not known. */
  readonly imageSha256?: string | undefined;
  /** The table of its frames; undefined if it has none. */
  readonly table?: FrameTable | undefined;
}

/**
 * The default of `nextMs`, ms. It is longer than all retries of one file take, so that a short failure does not exclude
 * a mirror.
 */
const NEXT_MS = 9_000;

export interface DownloadOptions {
  /** The file. Without a hash its bytes are not verified. */
  readonly remote: Omit<Remote, "sha256"> & { readonly sha256: string | undefined };
  /** Tried in order, before the manifest's address. A mirror that does not answer is marked as given up. */
  readonly mirrors: readonly Mirror[];
  /** Whether the file is zstd and must be unpacked. */
  readonly unpack: boolean;
  /** What is needed to put the file together from frames that are in the cache. @default the whole file is fetched */
  readonly framed?: Framed | undefined;
  readonly patience?: Partial<PullPatience> | undefined;
}

/**
 * Downloads a file to `target` from the first source that has the right bytes. The bytes are hashed and unpacked while
 * they arrive; only the result is written, with holes for blocks of zeros.
 * @throws ImageError (`download`) if no source has the right bytes
 * @throws PipelineError if the file cannot be written
 */
export async function download(options: DownloadOptions, target: string, run: Run): Promise<Fetched> {
  const reuse = options.framed && new Reuse(options.framed, target, run);
  try {
    return await fromSources(options, reuse, target, run);
  } finally {
    await reuse?.close();
  }
}

async function fromSources(
  options: DownloadOptions,
  reuse: Reuse | undefined,
  target: string,
  run: Run,
): Promise<Fetched> {
  const { remote, mirrors, unpack, patience } = options;
  const { url, sha256, size, frames } = remote;
  const own: Source = { place: placeOf("the file's address", url) };
  const name = assetNameOf(url);
  const sources = [...mirrors.map((mirror): Source => ({ place: fileOf(mirror, name), mirror })), own];
  const failures: string[] = [];
  for (const source of sources) {
    const { mirror, place: from } = source;
    const where = from.kind === "path" ? from.path : from.url;
    if (mirror?.givenUp !== undefined) {
      failures.push(`${where}: not tried again (${mirror.givenUp})`);
      continue;
    }
    const giveUpMs = mirror && (patience?.nextMs ?? NEXT_MS);
    try {
      if (reuse && from.kind === "address") {
        const isLast = source === own;
        const image = await reuse.from({ url: from.url, giveUpMs, patience, isLast });
        if (image) return { ...image, size: size ?? 0 };
      }
      const sink = () => (unpack ? unpackTo(target) : toFile(target));
      const table = frames && new TableOnTheWay(frames);
      const request = { from, sha256, size, patience, giveUpMs, onBytes: table?.take };
      const downloaded = await downloadFrom(request, sink, run);
      return { ...downloaded, size: downloaded.wireSize, table: table?.taken() };
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof SourceError)) throw error;
      if (mirror && error instanceof Unavailable) mirror.givenUp = error.problem;
      failures.push(`${where}: ${error.problem}`);
      if (source !== own) run.progress.warn(`${failures.at(-1)}; trying the next source`);
    }
  }
  const code = "not-fetched";
  if (failures.length === 1)
    throw new ImageError("download", new PipelineError(`cannot fetch ${failures[0]}`, { code }));
  const problem = `cannot fetch ${name} from any of ${failures.length} sources`;
  const details = failures.map((failure) => `- ${failure}`);
  throw new ImageError("download", new PipelineError(problem, { code, details }));
}

/** A source of a file: a mirror, or the manifest's address (without `mirror`), which comes last. */
interface Source {
  readonly place: Place;
  readonly mirror?: Mirror;
}

/** Takes the table of a file's frames out of its bytes while they arrive. */
class TableOnTheWay {
  readonly #place: FramesPlace;
  readonly #bytes: Buffer;

  constructor(place: FramesPlace) {
    this.#place = place;
    this.#bytes = Buffer.alloc(Math.min(place.size, MOST_TABLE));
  }

  readonly take = (chunk: Uint8Array, at: number): void => {
    const { offset } = this.#place;
    const first = Math.max(0, offset - at);
    if (first < chunk.length && at - offset < this.#bytes.length) {
      this.#bytes.set(chunk.subarray(first, offset + this.#bytes.length - at), at + first - offset);
    }
  };

  taken(): FrameTable | undefined {
    return isTable(this.#bytes, this.#place) ? { place: this.#place, bytes: this.#bytes } : undefined;
  }
}
