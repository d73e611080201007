import { describe, expect, it } from "vitest";
import {
  changesSomething,
  type Proposed,
  pullComment,
  unreadableComment,
} from "../../../../pipeline/cli/pipeline/pull-comment.ts";
import type { Cell, Cells } from "../../../../pipeline/schema/cells.ts";
import { sampleCells } from "../../../support/tree.ts";

const before = sampleCells();
const OTHER = "f".repeat(64);
/** The same cells, some of them with other inputs. */
const withInputs = (isChanged: (cell: Cell) => boolean, made: Record<string, string>): Cells => ({
  ...before,
  cells: before.cells.map((cell) =>
    isChanged(cell) ? { ...cell, inputs: OTHER, made_from: { ...cell.made_from, ...made } } : cell,
  ),
});
const proposed = (more: Partial<Proposed>): Proposed => ({
  before,
  after: before,
  planned: [],
  generated: [],
  ...more,
});

it("says on one screen which cells are built, and why", () => {
  const after = withInputs(({ id }) => id.startsWith("codex-"), { "@openai/codex": "0.170.0" });
  const published = after.cells.filter((cell) => cell.published);
  const planned = published.map(({ id }) =>
    id.startsWith("codex-")
      ? { id, action: "build" as const, why: "" }
      : { id, action: "carry" as const, from: "images-v6.9.0", why: "" },
  );
  expect(pullComment(proposed({ after, planned, generated: ["out/cells.json"] }))).toBe(`\
### What this change would publish

At the tag \`images-v7.0.0\`, which stays. A release of it: 4 of 22 cells are
built, 18 carried over from \`images-v6.9.0\`.

- With other inputs (4): codex on alpine, ubuntu (amd64, arm64)

**Why: pins and recipe**

- \`@openai/codex\` \`0.169.0\` -> \`0.170.0\`
  in codex on alpine, ubuntu (amd64, arm64)

**Generated files**

- \`out/cells.json\`

Read from the committed \`out/cells.json\`; the check \`synth --check\` says whether
it is up to date.`);
});

it("names cells that come and go, another tag, and settings of the release", () => {
  const without = before.cells.filter(({ id }) => !id.startsWith("hermes-"));
  const text = pullComment(
    proposed({
      after: { ...before, tag: "images-v8", cells: without, accepts: ["apt=live"], trusted_root: "x" },
    }),
  );
  expect(text).toContain("At the tag `images-v8`, which was `images-v7.0.0`.");
  expect(text).toContain("- Removed (2): hermes on ubuntu (amd64, arm64)");
  expect(text).toContain('- `accepts`: `["apk=unrecorded"]` -> `["apt=live"]`');
  expect(text).toContain('- `trusted_root`: `none` -> `"x"`');
});

it("says that no published cell changes, also where one that is built locally does", () => {
  const after = withInputs(({ published }) => !published, {});
  expect(pullComment(proposed({ after }))).toContain("\nNo published cell changes.\n");
  expect(changesSomething(proposed({ after }))).toBe(true);
  expect(changesSomething(proposed({}))).toBe(false);
  expect(changesSomething(proposed({ generated: ["x"] }))).toBe(true);
});

it("stays on one screen, whatever changes", () => {
  const made = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`pin-${at}`, "1"]));
  const generated = Array.from({ length: 200 }, (_, at) => `file-${at}`);
  const text = pullComment(proposed({ after: withInputs(() => true, made), generated }));
  expect(text.split("\n").length).toBeLessThan(50);
  expect(text).toMatch(/^188 more lines are left out\.$/m);
});

describe("what the author of a pull request writes", () => {
  const hostile = "<img src=x> @everyone [a](https://example.com) `b` | # c\n# d <!-- e -->";

  it("is code on one line", () => {
    const after = {
      ...withInputs(() => true, { [hostile]: hostile }),
      ...{ repository: hostile, accepts: [hostile], trusted_root: hostile },
    };
    const text = pullComment(proposed({ after, generated: [hostile] }));
    expect(text).toContain("img src=x");
    const rest = text.replace(/(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)/g, "CODE");
    expect(rest).not.toMatch(/[<@[\]`|]/);
    expect(rest.split("\n").filter((line) => line.startsWith("#"))).toEqual([
      "### What this change would publish",
    ]);
  });

  it("is code also in the reason why its cells cannot be read", () => {
    expect(unreadableComment(hostile).split("\n")).toHaveLength(3);
    expect(unreadableComment(hostile)).toMatch(/: `` <img src=x> .*\\n# d <!-- e --> ``$/);
  });
});
