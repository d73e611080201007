import type { DriftRow } from "../../schema/drift.ts";
import { printable } from "../../util/error.ts";
import { table, wrapped } from "../shared/table.ts";

/** The rows as a table, with what else there is to say below each. At most 80 columns, if versions have usual lengths. */
export function driftTable(rows: readonly DriftRow[]): string {
  const lines = table(["pin", "pinned", "newest", "behind", "support ends"], rows.map(columns)).split("\n");
  const [headings, ...rest] = lines;
  const noted = rows.flatMap((row, at) => [
    rest[at]!,
    ...notesOf(row).flatMap((note) => wrapped(printable(note), 78).map((line) => `  ${line}`)),
  ]);
  return `${[headings, ...noted].join("\n")}\n`;
}

const columns = (row: DriftRow): string[] => [
  printable(row.name),
  shown(row.pinned),
  row.newest === null ? "unknown" : shown(row.newest),
  row.state === "behind" ? behind(row) : "",
  supportEnds(row),
];

/** Nothing for what has no end of support. */
function supportEnds({ supported, supported_until: until, support_source: source }: DriftRow): string {
  if (until !== null) return until;
  if (supported === false) return "ended";
  return source === null ? "" : "unknown";
}

/** `3 (12 d)`: versions, and days. */
function behind({ versions_behind: versions, days_behind: days }: DriftRow): string {
  const inDays = days === null ? "" : `${days} d`;
  if (versions === null) return inDays || "yes";
  return inDays ? `${versions} (${inDays})` : String(versions);
}

/** An instant at midnight as its day. */
const shown = (version: string) => printable(version.replace(/^(\d{4})(\d\d)(\d\d)T000000Z$/, "$1-$2-$3"));

function notesOf(row: DriftRow): string[] {
  return [
    ...(row.supported === false
      ? [
          `its support ended${row.supported_until ? ` on ${row.supported_until}` : ""} (${row.support_source})`,
        ]
      : []),
    ...(row.changed === null ? [] : [`CHANGED: ${row.changed}`]),
    ...(row.hold === null ? [] : [`held to ${row.hold.range}: ${row.hold.reason}`]),
    ...(row.note === null ? [] : [row.note]),
  ];
}
