import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, type Limits, type Piece } from "../../../../pipeline/image/frames/cut.ts";

const LIMITS: Limits = { most: 16, large: 40 };
/** Blocks with content of their own, from a seed. */
const blocks = (count: number, seed: number) =>
  Array.from(
    { length: count },
    (_, index) => Math.imul((seed + 1) * 1_000_003 + index, 0x9e3779b1) >>> 0 || 1,
  );
const zeros = (count: number) => Array.from({ length: count }, () => 0);
const pieces = (fingerprints: readonly number[], marks: readonly number[] = []) =>
  cut(Uint32Array.from(fingerprints), { marks, large: [] }, LIMITS);
/** The content of each piece, as a text. */
const contents = (fingerprints: readonly number[], marks: readonly number[] = []) =>
  pieces(fingerprints, marks).map(({ start, count }) => fingerprints.slice(start, start + count).join(" "));

const content = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 80 }), fc.nat(50)).map(([count, seed]) => blocks(count, seed)),
  fc.constantFrom(1, 255, 256, 300).map(zeros),
);
const image = fc.array(content, { maxLength: 8 }).map((parts) => parts.flat());

describe("the pieces of an image", () => {
  it("are all of it, in order, within the limits, and always the same", () => {
    fc.assert(
      fc.property(image, fc.uniqueArray(fc.nat(600), { maxLength: 6 }), (given, places) => {
        const marks = places.toSorted((a, b) => a - b);
        const made = pieces(given, marks);
        let at = 0;
        for (const { start, count, zero } of made) {
          expect(start).toBe(at);
          expect(count).toBeGreaterThan(0);
          expect(count).toBeLessThanOrEqual(zero ? LIMITS.large : LIMITS.most);
          const inside = given.slice(start, start + count);
          if (zero) expect(inside.every((block) => block === 0)).toBe(true);
          at += count;
        }
        expect(at).toBe(given.length);
        for (const mark of marks.filter((each) => each > 0 && each < given.length && given[each] !== 0)) {
          expect(made.some(({ start }) => start === mark)).toBe(true);
        }
        expect(pieces(given, marks)).toEqual(made);
      }),
    );
  });

  it("are few, and no smaller than the limit, where nothing is marked", () => {
    const made = pieces(blocks(1000, 1));
    for (const { count } of made.slice(0, -1)) expect(count).toBeGreaterThanOrEqual(LIMITS.most / 2);
    expect(made.length).toBeLessThanOrEqual((1000 / LIMITS.most) * 2);
  });

  it("are zeros where there are many, and not where there are few", () => {
    const given = [...blocks(3, 1), ...zeros(256), ...blocks(3, 2), ...zeros(255), ...blocks(3, 3)];
    const zero = ({ start, count }: Piece) => [start, count];
    const made = pieces(given).filter((piece) => piece.zero);
    expect(made.map(zero)[0]).toEqual([3, 40]);
    expect(made.reduce((sum, { count }) => sum + count, 0)).toBe(256);
  });

  it("are larger in a large file, and as large as ever beside it", () => {
    const given = [...blocks(30, 1), ...blocks(100, 2), ...blocks(30, 3)];
    const places = { marks: [30, 130], large: [[30, 130]] as const };
    const made = cut(Uint32Array.from(given), places, LIMITS);
    const inside = made.filter(({ start }) => start >= 30 && start < 130);
    expect(inside.length).toBeLessThanOrEqual(5);
    for (const { count } of inside) expect(count).toBeGreaterThanOrEqual(LIMITS.large / 2);
    for (const { start, count } of made)
      expect(count).toBeLessThanOrEqual(start >= 30 && start < 130 ? LIMITS.large : LIMITS.most);
  });

  it("are the same around a change, wherever it moves what follows", () => {
    const [before, after] = [blocks(400, 1), blocks(400, 2)];
    for (const change of [[], blocks(1, 3), blocks(7, 4), blocks(30, 5)]) {
      const known = new Set(contents([...before, ...blocks(5, 6), ...after]));
      const made = contents([...before, ...change, ...after]);
      const fetched = made.filter((each) => !known.has(each)).map((each) => each.split(" ").length);
      expect(fetched.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(change.length + 120);
    }
  });

  it("are the same in an image that goes on after a mark", () => {
    const base = blocks(100, 1);
    const known = contents(base);
    expect(contents([...base, ...blocks(300, 2)], [100]).slice(0, known.length)).toEqual(known);
  });
});
