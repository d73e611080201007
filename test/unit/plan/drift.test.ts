import { expect, it } from "vitest";
import { driftRow, isAcceptable } from "../../../pipeline/plan/drift.ts";
import { DriftRow } from "../../../pipeline/schema/drift.ts";

const PIN = { kind: "npm", name: "codex", pinned: "1.0.0" };
const TODAY = "2026-11-22";
const ends = (until: string | undefined) => ({ until, source: "endoflife.date" });
const current = driftRow(PIN, { version: "1.0.0" }, undefined, TODAY);
const behind = driftRow(PIN, { version: "1.2.0", behind: { versions: 2, days: 9 } }, undefined, TODAY);
const unknown = driftRow(PIN, new Error("no answer"), undefined, TODAY);
const ended = driftRow(PIN, { version: "1.0.0" }, ends("2026-11-21"), TODAY);

it("a row says what is known, and null for the rest", () => {
  expect(DriftRow.parse(behind)).toEqual({
    ...{ name: "codex", kind: "npm", pinned: "1.0.0", newest: "1.2.0", state: "behind" },
    ...{ versions_behind: 2, days_behind: 9, supported_until: null, support_source: null, supported: null },
    ...{ hold: null, changed: null, note: null },
  });
  expect(driftRow(PIN, { version: "1.2.0", behind: {} }, undefined, TODAY)).toMatchObject({
    ...{ state: "behind", versions_behind: null, days_behind: null },
  });
});

it("what was not answered is unknown, and never current", () => {
  expect(DriftRow.parse(unknown)).toMatchObject({ newest: null, state: "unknown", note: "no answer" });
});

it("a release is supported until the end of its last day; without a day, that is not known", () => {
  const on = (until: string | undefined) => driftRow(PIN, { version: "1.0.0" }, ends(until), TODAY).supported;
  expect([on("2026-11-21"), on(TODAY), on("2026-11-23"), on(undefined)]).toEqual([false, true, true, null]);
  expect(ended).toMatchObject({ supported_until: "2026-11-21", support_source: "endoflife.date" });
});

it("support that has ended on an unknown day is none", () => {
  const row = driftRow(PIN, { version: "1.0.0" }, { ...ends(undefined), ended: true }, TODAY);
  expect(DriftRow.parse(row)).toMatchObject({
    ...{ supported: false, supported_until: null, support_source: "endoflife.date" },
  });
  expect(isAcceptable([row], false)).toBe(false);
});

it.each([
  ["all current", [current], true, true],
  ["one behind", [current, behind], true, false],
  ["one unknown", [current, unknown], true, false],
  ["one without support", [current, ended], false, false],
  ["none", [], true, true],
])("%s", (_, rows, lenient, strict) => {
  expect(isAcceptable(rows, false)).toBe(lenient);
  expect(isAcceptable(rows, true)).toBe(strict);
});
