import { expect, it } from "vitest";
import { driftTable } from "../../../../pipeline/cli/pipeline/drift-table.ts";
import { driftRow } from "../../../../pipeline/plan/drift.ts";

const TODAY = "2026-11-22";
const row = (
  name: string,
  pinned: string,
  answered: Parameters<typeof driftRow>[1],
  more: { hold?: { range: string; reason: string }; until?: string } = {},
) =>
  driftRow(
    { kind: "npm", name, pinned, hold: more.hold },
    answered,
    more.until === undefined ? undefined : { until: more.until, source: "endoflife.date" },
    TODAY,
  );

const reason = "0.74 needs a newer Node than the base of Alpine has, and its maintainers know of that";
const table = driftTable([
  row("claude-code", "2.1.329", { version: "2.1.330", behind: { versions: 12, days: 123 } }),
  row(
    "pi",
    "0.73.1",
    { version: "0.73.1", note: "newest of all: 0.80.0" },
    { hold: { range: "<0.74", reason } },
  ),
  row("alpine", "3.20", new Error("https://endoflife.date/api/v1/products/alpine-linux/: no answer"), {
    until: "2026-04-01",
  }),
  row("apt snapshot", "20261120T000000Z", { version: "20261121T000000Z", behind: { days: 1 } }),
  row("linux-source-6.12", "6.12.115-1", { version: "6.12.117-1", behind: { versions: 3 } }),
  row("node (alpine)", "24.18.1", { version: "24.22.3", behind: {} }, { until: "2028-04-30" }),
  row("uv image", "0.12.16", { version: "0.12.16", changed: "uv:0.12.16 has the digest sha256:0 now" }),
  row("actions/download-artifact", "v8.0.2", { version: "v8\u001b[2J", behind: { versions: 1 } }),
]);

it("has a line for each pin, and below it what else there is to say", () => {
  expect(table).toBe(`\
pin                        pinned      newest       behind      support ends
claude-code                2.1.329     2.1.330      12 (123 d)
pi                         0.73.1      0.73.1
  held to <0.74: 0.74 needs a newer Node than the base of Alpine has, and its
  maintainers know of that
  newest of all: 0.80.0
alpine                     3.20        unknown                  2026-04-01
  its support ended on 2026-04-01 (endoflife.date)
  https://endoflife.date/api/v1/products/alpine-linux/: no answer
apt snapshot               2026-11-20  2026-11-21   1 d
linux-source-6.12          6.12.115-1  6.12.117-1   3
node (alpine)              24.18.1     24.22.3      yes         2028-04-30
uv image                   0.12.16     0.12.16
  CHANGED: uv:0.12.16 has the digest sha256:0 now
actions/download-artifact  v8.0.2      v8\\u001b[2J  1
`);
});

it("says whether support has ended, is not known to end, or has no end", () => {
  const debian = { kind: "distribution", name: "debian", pinned: "14" };
  const asked = { until: undefined, source: "endoflife.date" };
  const shown = (support: Parameters<typeof driftRow>[2]) =>
    driftTable([driftRow(debian, { version: "14" }, support, TODAY)])
      .split("\n")
      .slice(1, -1);
  expect(shown(asked)).toEqual(["debian  14      14              unknown"]);
  expect(shown({ ...asked, ended: true })).toEqual([
    ...["debian  14      14              ended", "  its support ended (endoflife.date)"],
  ]);
  expect(shown(undefined)).toEqual(["debian  14      14"]);
});

it("fits into 80 columns", () => {
  expect(table.split("\n").filter((line) => line.length > 80)).toEqual([]);
});
