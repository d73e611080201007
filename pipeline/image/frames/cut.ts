/** A part of an image that becomes a frame: `count` blocks from `start` on. */
export interface Piece {
  readonly start: number;
  readonly count: number;
  /** Whether it is zero throughout. */
  readonly zero: boolean;
}

/** How large pieces are, blocks. A larger one is cut into pieces of at least half of this. */
export interface Limits {
  readonly most: number;
  /** The same within a large file. A program changes as a whole, so small pieces of it could not be reused either. */
  readonly large: number;
}

/** Where an image is to be cut, as block numbers. */
export interface Places {
  /** Where pieces begin, sorted. */
  readonly marks: readonly number[];
  /** The first block of each large file, and the one after its last. Both are marks. */
  readonly large: readonly (readonly [start: number, end: number])[];
}

/** This many blocks of zeros (1 MiB) are a piece of their own, which takes no time to compress. */
const ZERO_RUN = 256;

/**
 * Cuts an image into pieces. Between marks and long runs of zeros, a piece that is too large is cut before the block with
 * the largest fingerprint within the limits. That depends on content alone: content that lies elsewhere in another image
 * is cut in the same places.
 */
export function cut(fingerprints: Uint32Array, { marks, large }: Places, limits: Limits): Piece[] {
  const pieces: Piece[] = [];
  for (const stretch of stretches(fingerprints)) {
    const end = stretch.start + stretch.count;
    if (stretch.zero) {
      for (let start = stretch.start; start < end; start += limits.large)
        pieces.push({ start, count: Math.min(limits.large, end - start), zero: true });
      continue;
    }
    const inside = marks.filter((mark) => mark > stretch.start && mark < end);
    for (const [index, start] of [stretch.start, ...inside].entries()) {
      const next = inside[index] ?? end;
      const isLarge = large.some(([first, last]) => first <= start && next <= last);
      pieces.push(...split(fingerprints, start, next, isLarge ? limits.large : limits.most));
    }
  }
  return pieces;
}

/** The long runs of zeros, and what lies between them. */
function* stretches(fingerprints: Uint32Array): Iterable<Piece> {
  const { length } = fingerprints;
  let begun = 0;
  for (let at = 0; at < length; ) {
    if (fingerprints[at] !== 0) {
      at++;
      continue;
    }
    const start = at;
    while (at < length && fingerprints[at] === 0) at++;
    if (at - start < ZERO_RUN) continue;
    if (start > begun) yield { start: begun, count: start - begun, zero: false };
    yield { start, count: at - start, zero: true };
    begun = at;
  }
  if (begun < length) yield { start: begun, count: length - begun, zero: false };
}

function* split(fingerprints: Uint32Array, start: number, end: number, most: number): Iterable<Piece> {
  const least = Math.floor(most / 2);
  let from = start;
  while (end - from > most) {
    let best = from + least;
    for (let at = best; at <= Math.min(from + most, end - least); at++)
      if (fingerprints[at]! > fingerprints[best]!) best = at;
    yield { start: from, count: best - from, zero: false };
    from = best;
  }
  yield { start: from, count: end - from, zero: false };
}
