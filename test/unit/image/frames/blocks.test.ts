import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK, fingerprints } from "../../../../pipeline/image/frames/blocks.ts";
import { digestsOf } from "../../../../pipeline/image/frames/digests.ts";
import { PipelineError } from "../../../../pipeline/util/error.ts";
import { tempDirectory } from "../../../support/run.ts";

/** An image of these blocks: 0 for zeros, else a number that its bytes depend on. */
async function imageOf(blocks: readonly number[]): Promise<string> {
  const path = join(tempDirectory(), "image");
  await using file = await open(path, "w");
  for (const [index, block] of blocks.entries())
    if (block !== 0) await file.write(Buffer.alloc(BLOCK, `${block} `), 0, BLOCK, index * BLOCK);
  await file.truncate(blocks.length * BLOCK);
  return path;
}
const blocksOf = fc.array(fc.nat(5), { minLength: 1, maxLength: 600 });

describe("the blocks of an image", () => {
  it("have fingerprints by their content, wherever the data is said to be", async () => {
    await fc.assert(
      fc.asyncProperty(blocksOf, async (blocks) => {
        const path = await imageOf(blocks);
        const size = blocks.length * BLOCK;
        const whole = await fingerprints({ path, size, runs: [{ start: 0, end: size }] });
        expect([...whole].map((each) => each === 0)).toEqual(blocks.map((each) => each === 0));
        for (const [index, block] of blocks.entries())
          expect(whole[index]).toBe(whole[blocks.indexOf(block)]);
        expect(new Set(whole).size).toBe(new Set(blocks).size);
        // Runs of single blocks, one of which is told in two parts.
        const runs = blocks.flatMap((block, index) => {
          const start = index * BLOCK;
          return block === 0
            ? []
            : [
                { start, end: start + 10 },
                { start: start + 10, end: start + BLOCK },
              ];
        });
        expect(await fingerprints({ path, size, runs })).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it("have digests, piece by piece, and those of zeros are not read", async () => {
    const blocks = [0, 0, 0, 1, 2, 0, 0, 0, 0, 3];
    const path = await imageOf(blocks);
    const pieces = [
      { start: 0, count: 3, zero: true },
      { start: 3, count: 2, zero: false },
      { start: 5, count: 4, zero: true },
      { start: 9, count: 1, zero: false },
    ];
    const content = (of: readonly number[]) =>
      Buffer.concat(
        of.map((block) => (block === 0 ? Buffer.alloc(BLOCK) : Buffer.alloc(BLOCK, `${block} `))),
      );
    const digests = pieces.map(({ start, count }) =>
      createHash("sha256")
        .update(content(blocks.slice(start, start + count)))
        .digest("hex"),
    );
    expect(await digestsOf(path, pieces)).toEqual(digests);
    const other = [3, 3, 3, 1, 2, 3, 3, 3, 3, 3];
    expect(await digestsOf(await imageOf(other), pieces)).toEqual(digests);
  });

  it("that are not there are an error", async () => {
    const path = await imageOf([1, 2]);
    const runs = [{ start: 0, end: 3 * BLOCK }];
    await expect(fingerprints({ path, size: 3 * BLOCK, runs })).rejects.toThrow(PipelineError);
    await expect(digestsOf(path, [{ start: 1, count: 2, zero: false }])).rejects.toThrow(PipelineError);
  });
});
