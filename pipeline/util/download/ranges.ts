import { proxiedFetch } from "../http.ts";
import type { Run } from "../progress.ts";
import { overHttp, type Range } from "./http.ts";
import { PATIENCE, type Patience } from "./patience.ts";

/** How many requests are made at the same time. */
const AT_ONCE = 4;
/** The most that one request asks for, bytes. All requests of a moment are in memory. */
const MOST = 8 << 20;

export interface RangesRequest {
  readonly url: string;
  /** The size of the whole file, bytes. */
  readonly size: number;
  /** The parts to fetch, in the order in which they are wanted. Parts that follow on each other are fetched together. */
  readonly ranges: readonly Range[];
  /** How long the server may send nothing to one request, ms. @default no limit */
  readonly giveUpMs?: number | undefined;
  /** @default PATIENCE */
  readonly patience?: Partial<Patience> | undefined;
  /** Called with the number of bytes that have just arrived. @default none */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * The bytes of parts of a file, in the given order. Several requests are made at the same time, and at most 32 MiB are
 * held in memory. A broken connection is resumed. The caller must verify the bytes.
 * Reading them throws NoRanges if the server does not send parts of files, and SourceError or Unavailable as a download
 * does.
 */
export async function* downloadRanges(request: RangesRequest, run: Run): AsyncGenerator<Uint8Array> {
  const { url, size, giveUpMs, onBytes = () => {} } = request;
  const patience = { ...PATIENCE, ...request.patience };
  const ended = new AbortController();
  const inner = { ...run, signal: AbortSignal.any([run.signal, ended.signal]) };
  const get = proxiedFetch(patience.silenceMs);
  const fetched = async (range: Range): Promise<Uint8Array[]> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of overHttp(url, { size, giveUpMs, patience, range, get }, inner).chunks) {
      chunks.push(chunk);
      onBytes(chunk.length);
    }
    return chunks;
  };
  const requests = requestsFor(request.ranges);
  const underWay: Promise<Uint8Array[]>[] = [];
  try {
    for (;;) {
      while (underWay.length < AT_ONCE) {
        const next = requests.next();
        if (next.done) break;
        const chunks = fetched(next.value);
        // It may fail while an earlier one is awaited.
        chunks.catch(() => {});
        underWay.push(chunks);
      }
      const first = underWay.shift();
      if (!first) return;
      yield* await first;
    }
  } finally {
    ended.abort();
    await Promise.allSettled(underWay);
  }
}

/** The requests for parts of a file: neighbours are joined, and none is longer than MOST. */
function* requestsFor(ranges: readonly Range[]): Generator<Range> {
  let start = 0;
  let end = 0;
  for (const range of [...ranges, { start: -1, end: -1 }]) {
    if (range.start === end) {
      end = range.end;
      continue;
    }
    for (let at = start; at < end; at += MOST) yield { start: at, end: Math.min(end, at + MOST) };
    ({ start, end } = range);
  }
}
