import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dataSize,
  decodeTable,
  encodeTable,
  type Frame,
  MAX_FRAME_IMAGE_SIZE,
  tableFrame,
} from "../../../pipeline/schema/frames.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";

const sha256 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const frame = fc.record({
  sha256,
  size: fc.integer({ min: 1, max: 0xffffffff }),
  imageSize: fc.integer({ min: 1, max: MAX_FRAME_IMAGE_SIZE }),
});
const frames = fc.array(frame, { maxLength: 30 });

const sums = (of: readonly Frame[]) => ({
  size: of.reduce((sum, { size }) => sum + size, 0),
  imageSize: of.reduce((sum, { imageSize }) => sum + imageSize, 0),
});
const ONE: Frame = { sha256: "ab".repeat(32), size: 7, imageSize: 4096 };
/** The table of some frames with the 32-bit number at `at` changed. */
const changed = (of: readonly Frame[], at: number, number: number) => {
  const table = encodeTable(of);
  table.writeUInt32LE(number, at);
  return table;
};

describe("the table of an asset's frames", () => {
  it("says the frames that it was made from", () => {
    fc.assert(
      fc.property(frames, (given) => {
        expect(decodeTable(encodeTable(given), sums(given))).toEqual(given);
      }),
    );
  });

  it("is in a frame that decoders of zstd skip, after the data frames", () => {
    const table = encodeTable([ONE]);
    const skipped = tableFrame(table);
    expect(skipped.readUInt32LE(0) & 0xfffffff0).toBe(0x184d2a50);
    expect(skipped.readUInt32LE(4)).toBe(table.length);
    expect(skipped.subarray(8)).toEqual(table);
    expect(dataSize({ offset: ONE.size + skipped.indexOf(table) })).toBe(ONE.size);
  });

  it.each<[string, Buffer, string]>([
    ["is cut short before the count", encodeTable([]).subarray(0, 15), "not such a table"],
    ["is of something else", Buffer.alloc(100), "not such a table"],
    ["is of a later version", changed([ONE], 8, 2), "version is 2"],
    ["says more frames than it has", changed([ONE], 12, 2), "56 bytes, for 2 frames"],
    ["says fewer frames than it has", changed([ONE], 12, 0), "56 bytes, for 0 frames"],
    ["says more frames than there may be", changed([ONE], 12, 0xffffffff), "4294967295 frames, of at most"],
    ["is cut short", encodeTable([ONE]).subarray(0, -1), "55 bytes, for 1 frames"],
    ["goes on", Buffer.concat([encodeTable([ONE]), Buffer.alloc(1)]), "57 bytes, for 1 frames"],
    ["has a frame of no bytes", changed([ONE], 48, 0), "frame 0 is empty"],
    ["has a frame of nothing", changed([ONE], 52, 0), "frame 0 is empty"],
    [
      "has a frame that is too large",
      changed([ONE], 52, MAX_FRAME_IMAGE_SIZE + 1),
      "frame 0 has 134217729 bytes",
    ],
    [
      "has frames that are not those of the file",
      changed([ONE], 48, 8),
      "the size of its frames is 8, not 7",
    ],
    ["has frames that are not those of the image", changed([ONE], 52, 8192), "8192, not 4096"],
  ])("is refused if it %s", (_, table, why) => {
    expect(() => decodeTable(table, sums([ONE]))).toThrow(PipelineError);
    expect(() => decodeTable(table, sums([ONE]))).toThrow(why);
  });

  it("of any bytes is read, or refused with an error of ours", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each)),
      // A real table with one byte changed.
      fc.tuple(frames, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
        const table = encodeTable(given);
        table[at % table.length] = byte;
        return table;
      }),
    );
    fc.assert(
      fc.property(bytes, (table) => {
        try {
          const read = decodeTable(table, sums([ONE]));
          expect(sums(read)).toEqual(sums([ONE]));
        } catch (error) {
          if (!(error instanceof PipelineError)) throw error;
        }
      }),
    );
  });
});
