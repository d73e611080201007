import { describe, expect, it } from "vitest";
import { type Rounds, table, withTable } from "../../../bench/build.ts";

const steps = (files: number, image: number, hash: number) => ({
  steps: { "the container's files": files, "the ext4 image": image, "sha256 of the image": hash },
});
const OURS = [1, 9, 2].map((files) => ({ ...steps(files, 2, 1), peakMib: 200 + files }));

describe("the table of how long an image takes", () => {
  it("has the median of each step, the sum, the ratio, and the highest peak", () => {
    const rounds: Rounds = new Map([
      ["docker export to a file, mkfs, tar -x", [steps(5, 4, 1)]],
      ["docker export to tar -x", [steps(0, 5, 1)]],
      ["ours", OURS],
    ]);
    expect(
      table(new Map([["codex", rounds]]))
        .split("\n")
        .slice(2),
    ).toEqual([
      "| codex: the container's files | 5.0 s | 0.0 s | 2.0 s |",
      "| codex: the ext4 image | 4.0 s | 5.0 s | 2.0 s |",
      "| codex: sha256 of the image | 1.0 s | 1.0 s | 1.0 s |",
      "| codex: all | 10.0 s | 6.0 s | 5.0 s |",
      "| codex: ours, of that | 0.50 | 0.83 |  |",
      "| codex: peak memory of Node |  |  | 209 MiB |",
      "",
    ]);
  });

  it("says what was not measured", () => {
    const text = table(new Map([["base", new Map([["ours", OURS]]) as Rounds]]));
    expect(text).toContain("| base: all | not measured | not measured | 5.0 s |");
    expect(text).toContain("| base: ours, of that |  |  |  |");
  });

  it("goes between its markers, and nothing else changes", () => {
    const [begin, end] = ["<!-- bench build -->\n", "<!-- end of bench build -->\n"];
    expect(withTable(`a\n${begin}| old |\n${end}b\n`, "| new |\n")).toBe(`a\n${begin}| new |\n${end}b\n`);
    expect(() => withTable("a\n", "| new |\n")).toThrow(
      'docs/measurements.md has no lines "<!-- bench build -->"',
    );
  });
});
