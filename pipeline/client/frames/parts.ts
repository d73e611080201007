import { dataSize, decodeTable, type Frame } from "../../schema/frames.ts";
import type { FrameTable } from "./table.ts";

/** A frame of an asset, and where it is. */
export interface Part extends Frame {
  /** Where its compressed bytes begin in the asset. */
  readonly at: number;
  /** Where its unpacked bytes begin in the image. */
  readonly imageAt: number;
}

/**
 * The frames of an asset, in the order of the file and of the image.
 * @param imageSize the size of the image, bytes
 * @throws PipelineError if the table is not valid, or not of such an asset
 */
export function partsOf({ place, bytes }: FrameTable, imageSize: number): Part[] {
  const frames = decodeTable(Buffer.from(bytes), { size: dataSize(place), imageSize });
  let [at, imageAt] = [0, 0];
  return frames.map((frame) => {
    const part = { ...frame, at, imageAt };
    at += frame.size;
    imageAt += frame.imageSize;
    return part;
  });
}
