/** The package has no types of its own. */
declare module "snappyjs" {
  /** @throws Error if it is not compressed, or is larger than `most` bytes when it is not */
  export function uncompress(compressed: Uint8Array, most: number): Uint8Array;
  export function compress(bytes: Uint8Array): Uint8Array;
}
