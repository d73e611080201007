import { expect, it } from "vitest";
import { issueBody, needsAttention } from "../../../../pipeline/cli/pipeline/drift-issue.ts";
import { driftRow } from "../../../../pipeline/plan/drift.ts";
import type { DriftRow } from "../../../../pipeline/schema/drift.ts";

const row = (more: Partial<DriftRow> = {}): DriftRow => ({
  ...driftRow({ kind: "image", name: "uv image", pinned: "1" }, { version: "1" }, undefined, "2026-11-22"),
  ...more,
});

it.each<[Partial<DriftRow>, boolean]>([
  [{}, false],
  [{ state: "behind" }, true],
  [{ state: "unknown" }, true],
  [{ supported: true }, false],
  [{ supported: false }, true],
  [{ changed: "it has another digest now" }, true],
])("%j needs attention: %s", (more, expected) => {
  expect(needsAttention(row(more))).toBe(expected);
});

it("shows what a source says as text: it ends no code block, and mentions nobody", () => {
  const body = issueBody([
    row({ note: "deprecated" }),
    row({ name: "x\n````\n@everyone <b>", note: "```` @all" }),
  ]);
  const lines = body.split("\n");
  const fences = lines.filter((line) => /^`{5,}$/.test(line));
  expect(fences).toEqual(["`````", "`````"]);
  expect(lines).toContainEqual(expect.stringMatching(/^x\\n````\\n@everyone <b> /));
  expect(lines.indexOf("`````")).toBeLessThan(lines.findIndex((line) => line.includes("@everyone")));
  expect(lines.lastIndexOf("`````")).toBe(lines.length - 1);
});

it("leaves out the last rows where GitHub would refuse the text", () => {
  const rows = Array.from({ length: 500 }, (_, at) => row({ name: `pin ${at}`, note: "word ".repeat(400) }));
  const body = issueBody(rows);
  expect(body.length).toBeLessThan(65_536);
  expect(body).toContain("pin 0 ");
  const [, left] = /\n\n(\d+) more are left out\.$/.exec(body)!;
  expect(body.match(/^pin \d+ /gm)).toHaveLength(500 - Number(left));
});
