import { execFileSync } from "node:child_process";
import { open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type DataRun,
  listRuns,
  parseRuns,
  sha256Sparse,
} from "../../../../pipeline/image/formats/sparse.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { sha256File } from "../../../../pipeline/util/hash.ts";
import { tempDirectory } from "../../../support/run.ts";

const MIB = 1 << 20;

/** A file of `size` bytes with data in these runs, and zeros elsewhere. */
async function sparse(size: number, runs: readonly DataRun[]): Promise<string> {
  const path = join(tempDirectory(), "disk");
  await using file = await open(path, "w");
  for (const { start, end } of runs)
    await file.write(Buffer.alloc(end - start, `${start}:`), 0, end - start, start);
  await file.truncate(size);
  return path;
}

/** Runs of a file, in order and apart, none of them empty. */
const cuts = (size: number) =>
  fc.uniqueArray(fc.nat({ max: size }), { maxLength: 8 }).map((positions) => {
    const sorted = positions.toSorted((a, b) => a - b);
    return sorted.flatMap((start, at): DataRun[] => {
      const end = sorted[at + 1];
      return at % 2 === 0 && end !== undefined ? [{ start, end }] : [];
    });
  });

describe("a sparse file", () => {
  it("has the same sha256 as the whole file, wherever its data is", async () => {
    const files = fc
      .oneof(fc.nat({ max: 5000 }), fc.integer({ min: MIB - 2, max: 3 * MIB + 2 }))
      .chain((size) => fc.record({ size: fc.constant(size), runs: cuts(size) }));
    await fc.assert(
      fc.asyncProperty(files, async ({ size, runs }) => {
        const path = await sparse(size, runs);
        expect(await sha256Sparse({ path, size, runs })).toBe(await sha256File(path));
      }),
      { numRuns: 40 },
    );
  });

  it("is not read where it has no data", async () => {
    const path = await sparse(3 * MIB, [{ start: 0, end: 3 * MIB }]);
    const holes = await sha256Sparse({ path, size: 3 * MIB, runs: [{ start: MIB, end: 2 * MIB }] });
    const [first, all] = [Buffer.alloc(3 * MIB), await readFile(path)];
    all.copy(first, MIB, MIB, 2 * MIB);
    await writeFile(path, first);
    expect(holes).toBe(await sha256File(path));
  });

  it("has the data that the kernel says it has", async () => {
    const directory = tempDirectory();
    const list = join(directory, "list");
    const data = [
      { start: MIB, end: 2 * MIB },
      { start: 5 * MIB, end: 5 * MIB + 10 },
    ];
    for (const runs of [data, [{ start: 0, end: 1 }], []]) {
      const path = await sparse(9 * MIB, runs);
      execFileSync("sh", ["-c", listRuns(path, list)]);
      const found = parseRuns(await readFile(list, "utf8"), 9 * MIB);
      // The kernel counts in blocks, so its runs may be longer. A file system without holes has one run.
      for (const { start, end } of runs) {
        expect(found.some((run) => run.start <= start && run.end >= end)).toBe(true);
      }
      expect(await sha256Sparse({ path, size: 9 * MIB, runs: found })).toBe(await sha256File(path));
    }
  });

  it.each(["5 5", "6 5", "0 11", "-1 4", "0 4 5", "0x1 4", "0 3\n2 5", "data"])(
    "is not described by %j",
    (text) => {
      expect(() => parseRuns(`${text}\n`, 10)).toThrow(PipelineError);
    },
  );

  it("that has become shorter than its runs say is an error", async () => {
    const path = await sparse(MIB, [{ start: 0, end: MIB }]);
    await truncate(path, 10);
    const file = { path, size: MIB, runs: [{ start: 0, end: MIB }] };
    await expect(sha256Sparse(file)).rejects.toThrow(`${path} ends at 10 of ${MIB} bytes`);
  });

  it("is hashed no further when the work is interrupted", async () => {
    const path = await sparse(MIB, []);
    const size = 2 ** 50;
    const controller = new AbortController();
    const hashing = sha256Sparse({ path, size, runs: [] }, controller.signal);
    controller.abort(new Error("interrupted"));
    await expect(hashing).rejects.toThrow("interrupted");
  });
});
