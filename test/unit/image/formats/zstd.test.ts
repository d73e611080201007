import { expect, it } from "vitest";
import { consumed } from "../../../../pipeline/image/formats/zstd.ts";

it.each([
  ["(L19) Buffered: 1.75 MiB - Consumed:  266 MiB - Compressed:  120 MiB => 45.00% ", 266 * 2 ** 20],
  ["(L3) Buffered:  128 KiB - Consumed:    0 B - Compressed:    0 B => 0.00% ", 0],
  ["(L3) Buffered: 8.00 MiB - Consumed: 3.25 GiB - Compressed:  300 MiB => 9.00% ", 3.25 * 2 ** 30],
  ["*** Zstandard CLI (64-bit) v1.5.7, by Yann Collet ***", 0],
])("zstd's progress %j is understood", (text, bytes) => {
  expect(consumed(text)).toBe(bytes);
});
