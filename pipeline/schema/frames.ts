import { PipelineError } from "../util/error.ts";
import type { FramesPlace } from "./frames-place.ts";

/**
 * A compressed root file system is several zstd frames, each compressed by itself, so that a client can fetch those that
 * it does not have. In the order of the file:
 *
 * 1. data frames; joined, what they unpack to is the image
 * 2. a skippable frame with the table of the data frames
 * 3. a skippable frame with the seek table of zstd's seekable format, which other programs read
 *
 * A decoder of zstd skips the last two, so the file is an ordinary zstd file.
 */

/** A data frame: zstd's own, with its unpacked size in its header. */
export interface Frame {
  /** The digest of what it unpacks to. */
  readonly sha256: string;
  /** Compressed, bytes. */
  readonly size: number;
  /** Unpacked, bytes. */
  readonly imageSize: number;
}

/** The magic number of the skippable frame with the table. zstd has sixteen for such frames, 0x184D2A50 and up. */
const TABLE_FRAME = 0x184d2a5d;
/** The magic number and the length of what follows, bytes. */
const SKIPPABLE_HEADER = 8;

const TABLE_MAGIC = "SVMFRAME";
const TABLE_VERSION = 1;
/** Magic, version and number of frames, bytes. */
const TABLE_HEADER = TABLE_MAGIC.length + 4 + 4;
const DIGEST = 32;
/** Digest, compressed size and unpacked size, bytes. */
const ENTRY = DIGEST + 4 + 4;

/** The most frames that an image may have. */
const MAX_FRAMES = 1 << 16;
/** The most that one frame may unpack to, bytes. */
export const MAX_FRAME_IMAGE_SIZE = 1 << 27;

/** The table of an asset's frames: magic, version, count; then digest, size and unpacked size of each, little endian. */
export function encodeTable(frames: readonly Frame[]): Buffer {
  const table = Buffer.alloc(TABLE_HEADER + frames.length * ENTRY);
  let at = table.write(TABLE_MAGIC, "latin1");
  at = table.writeUInt32LE(TABLE_VERSION, at);
  at = table.writeUInt32LE(frames.length, at);
  for (const { sha256, size, imageSize } of frames) {
    at += table.write(sha256, at, "hex");
    at = table.writeUInt32LE(size, at);
    at = table.writeUInt32LE(imageSize, at);
  }
  return table;
}

/**
 * Reads the table of an asset's frames.
 * @param expected the size of all data frames together (`dataSize` of the place of the table) and of the image, bytes
 * @throws PipelineError if the table is not exactly the table of such frames
 */
export function decodeTable(table: Buffer, expected: { size: number; imageSize: number }): readonly Frame[] {
  const header = table.subarray(0, TABLE_HEADER);
  if (header.length < TABLE_HEADER || header.toString("latin1", 0, TABLE_MAGIC.length) !== TABLE_MAGIC) {
    throw damaged("it is not such a table");
  }
  const version = header.readUInt32LE(TABLE_MAGIC.length);
  if (version !== TABLE_VERSION) throw damaged(`its version is ${version}`);
  const count = header.readUInt32LE(TABLE_MAGIC.length + 4);
  if (count > MAX_FRAMES) throw damaged(`it says ${count} frames, of at most ${MAX_FRAMES}`);
  if (table.length !== TABLE_HEADER + count * ENTRY) {
    throw damaged(`it has ${table.length} bytes, for ${count} frames`);
  }
  const frames = Array.from({ length: count }, (_, index) => {
    const at = TABLE_HEADER + index * ENTRY;
    return {
      sha256: table.toString("hex", at, at + DIGEST),
      size: table.readUInt32LE(at + DIGEST),
      imageSize: table.readUInt32LE(at + DIGEST + 4),
    };
  });
  for (const [index, { size, imageSize }] of frames.entries()) {
    if (size === 0 || imageSize === 0) throw damaged(`frame ${index} is empty`);
    if (imageSize > MAX_FRAME_IMAGE_SIZE) {
      throw damaged(`frame ${index} has ${imageSize} bytes, of at most ${MAX_FRAME_IMAGE_SIZE}`);
    }
  }
  for (const field of ["size", "imageSize"] as const) {
    const sum = frames.reduce((total, frame) => total + frame[field], 0);
    if (sum !== expected[field])
      throw damaged(`the ${field} of its frames is ${sum}, not ${expected[field]}`);
  }
  return frames;
}

/** The size of all data frames together, bytes, by the place of their table. */
export const dataSize = ({ offset }: Pick<FramesPlace, "offset">): number => offset - SKIPPABLE_HEADER;

/** The skippable frame with the table of an asset's frames, as it is in the file. */
export const tableFrame = (table: Buffer): Buffer => skippableFrame(TABLE_FRAME, table);

/** A frame that decoders of zstd skip. */
export function skippableFrame(magic: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

const damaged = (why: string) => new PipelineError(`the table of an asset's frames cannot be used: ${why}`);
