import { Command } from "commander";
import { TOOLS_LOCK } from "../../constructs/base-rootfs.ts";
import { declareImagesOf } from "../../edit/declared-images.ts";
import { declaredOf, resolvePins } from "../../edit/pins.ts";
import { driftRow, isAcceptable } from "../../plan/drift.ts";
import type { DriftRow } from "../../schema/drift.ts";
import { filesIn } from "../../synth/project.ts";
import { printable } from "../../util/error.ts";
import { inRun } from "../shared/run.ts";
import { table, wrapped } from "../shared/table.ts";
import { project } from "./tree.ts";
import { upstreamOf } from "./upstream.ts";

export const driftCommand = new Command("drift")
  .option("--strict", "exit with 1 also if a pin is behind, or is not known to be the newest")
  .option("--json", "print JSON")
  .addHelpText(
    "after",
    "\nThe column `behind` has the number of versions, and the days between them.\n" +
      "`unknown` is what cannot be asked: it may be behind. The exit code is 1 if a\n" +
      "release is used whose support has ended.",
  )
  .action(async ({ strict = false, json = false }: { strict?: boolean; json?: boolean }) => {
    let isPackage = true;
    const rows = await inRun(async (run) => {
      const { release } = await declareImagesOf(project(), filesIn(project().root));
      const upstream = upstreamOf(run);
      const declared = declaredOf(project(), release);
      const resolved = await resolvePins(declared, upstream);
      isPackage = declared.own(TOOLS_LOCK) !== undefined;
      const today = upstream.today.toISOString().slice(0, 10);
      return resolved.map(({ pin, answer, support }) => driftRow(pin, answer, support, today));
    });
    process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : driftTable(rows));
    if (!isPackage) process.stderr.write(`${NOT_HERE}\n`);
    process.stderr.write(`${summary(rows)}\n`);
    if (!isAcceptable(rows, strict)) process.exitCode = 1;
  });

/** What a project of another team does not pin itself. */
const NOT_HERE =
  "Node's binary, the tool container and the actions of the workflows come with the package smolvm-images; update that";

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
  row.name,
  shown(row.pinned),
  row.newest === null ? "unknown" : shown(row.newest),
  row.state === "behind" ? behind(row) : "",
  row.supported_until ?? "",
];

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
      ? [`its support ended on ${row.supported_until} (${row.support_source})`]
      : []),
    ...(row.changed === null ? [] : [`CHANGED: ${row.changed}`]),
    ...(row.hold === null ? [] : [`held to ${row.hold.range}: ${row.hold.reason}`]),
    ...(row.note === null ? [] : [row.note]),
  ];
}

function summary(rows: readonly DriftRow[]): string {
  const count = (is: (row: DriftRow) => boolean) => rows.filter(is).length;
  const parts = [
    `${count(({ state }) => state === "behind")} behind`,
    `${count(({ state }) => state === "unknown")} unknown`,
    `${count(({ supported }) => supported === false)} without support`,
  ];
  const warning = count(({ state, supported }) => state !== "current" || supported === false) > 0;
  return `${warning ? "warning: " : ""}${rows.length} pins: ${parts.join(", ")}`;
}
