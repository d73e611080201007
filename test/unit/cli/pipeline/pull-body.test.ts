import { expect, it } from "vitest";
import { pullBody } from "../../../../pipeline/cli/pipeline/pull-body.ts";

it("has a line for each change, and what will be built", () => {
  expect(pullBody(["tag: v1 -> v2", "codex: 1.0.0 -> 1.1.0"], "cell  action\na     build\n")).toBe(`\
- \`tag: v1 -> v2\`
- \`codex: 1.0.0 -> 1.1.0\`

What will be built:

\`\`\`
cell  action
a     build
\`\`\`
`);
});

it.each([
  [
    "markup",
    "see [us](https://example.com) <img src=x> @everyone",
    "`see [us](https://example.com) <img src=x> @everyone`",
  ],
  ["lines", "a\n\n# b\r\n\u2028c", "`a\\n\\n# b\\r\\n\\u2028c`"],
  ["backticks", "a `b` c", "`` a `b` c ``"],
  ["a fence", "```\n<b>", "```` ```\\n<b> ````"],
  ["control characters", "a\u001b[2J\u202eb", "`a\\u001b[2J\\u202eb`"],
])("text with %s stays one line of code", (_, line, shown) => {
  expect(pullBody([line], "").split("\n")).toEqual([
    `- ${shown}`,
    "",
    "What will be built:",
    "",
    "```",
    "",
    "```",
    "",
  ]);
});

it("a long text is cut", () => {
  expect(pullBody(["x".repeat(100_000)], "").length).toBeLessThan(600);
});
