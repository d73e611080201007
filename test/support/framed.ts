import { createHash } from "node:crypto";
import { seekTable } from "../../pipeline/image/formats/zstd.ts";
import { encodeTable, type Frame, tableFrame } from "../../pipeline/schema/frames.ts";
import type { Asset } from "../../pipeline/schema/manifest.ts";
import { assetOf } from "./assets.ts";
import { packed } from "./release-files.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** An asset that is several frames of zstd, with the table of them. */
export interface FramedAsset {
  readonly bytes: Buffer;
  readonly frames: readonly Frame[];
  /** What a manifest has of it. */
  readonly asset: Asset;
}

/** A frame and its compressed bytes. */
export type Made = Frame & { readonly bytes: Buffer };

/** By what they unpack to: starting `zstd` for each frame of each test takes long. */
const made = new Map<string, Made>();

/** The parts of an image, each compressed by itself. */
export const framesOf = (parts: readonly Buffer[]): Made[] => parts.map(frameOf);

function frameOf(part: Buffer): Made {
  const key = sha256(part);
  const known = made.get(key);
  if (known) return known;
  const bytes = packed(part);
  const frame = { sha256: key, size: bytes.length, imageSize: part.length, bytes };
  made.set(key, frame);
  return frame;
}

/**
 * An asset as the pipeline makes it: data frames, the table, zstd's seek table.
 * @param parts the image, cut
 * @param said what the table says. @default the truth
 */
export function framedAsset(
  name: string,
  parts: readonly Buffer[],
  said?: (frames: readonly Frame[]) => readonly Frame[],
): FramedAsset {
  return joined(name, framesOf(parts), Buffer.concat(parts), said);
}

/** An asset of frames that are given, which may be wrong. */
export function joined(
  name: string,
  frames: readonly Made[],
  image: Buffer,
  said: (frames: readonly Frame[]) => readonly Frame[] = (all) => all,
): FramedAsset {
  const listed = said(frames.map(({ bytes: _, ...frame }) => frame));
  const table = encodeTable(listed);
  const data = Buffer.concat(frames.map(({ bytes }) => bytes));
  const bytes = Buffer.concat([data, tableFrame(table), seekTable(frames)]);
  const place = { offset: data.length + 8, size: table.length, sha256: sha256(table) };
  return { bytes, frames: listed, asset: { ...assetOf(name, bytes, image), frames: place } };
}
