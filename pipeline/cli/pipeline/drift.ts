import { Command, Option } from "commander";
import { TOOLS_LOCK } from "../../constructs/base-rootfs.ts";
import { declareImagesOf } from "../../edit/declared-images.ts";
import { reportOf } from "../../edit/drift-report.ts";
import { declaredOf, resolvePins } from "../../edit/pins.ts";
import { driftRow, isAcceptable } from "../../plan/drift.ts";
import type { DriftRow } from "../../schema/drift.ts";
import { filesIn } from "../../synth/project.ts";
import { inRun } from "../shared/run.ts";
import { driftTable } from "./drift-table.ts";
import { proposeDrift } from "./propose-drift.ts";
import { saveReport } from "./report-file.ts";
import { project } from "./tree.ts";
import { upstreamOf } from "./upstream.ts";

interface Flags {
  readonly strict?: boolean;
  readonly json?: boolean;
  readonly save?: string;
  readonly propose?: string;
}

export const driftCommand = new Command("drift")
  .option("--strict", "exit with 1 also if a pin is behind, or is not known to be the newest")
  .option("--json", "print JSON")
  .option(
    "--save <file>",
    "also write this file, with the lockfiles of newer versions of presets, for --propose",
  )
  .addOption(
    new Option(
      "--propose <file>",
      "ask nothing: from this file, open or update a pull request per preset, and one issue",
    ).conflicts(["strict", "json", "save"]),
  )
  .addHelpText(
    "after",
    "\nThe column `behind` has the number of versions, and the days between them.\n" +
      "`unknown` is what cannot be asked: it may be behind. The exit code is 1 if a\n" +
      "release is used whose support has ended, except with --save.",
  )
  .action(async ({ strict = false, json = false, save, propose }: Flags) => {
    if (propose !== undefined) return await proposeDrift(propose);
    let isPackage = true;
    const rows = await inRun(async (run) => {
      const { release } = await declareImagesOf(project(), filesIn(project().root));
      const upstream = upstreamOf(run);
      const declared = declaredOf(project(), release);
      const resolved = await resolvePins(declared, upstream);
      isPackage = declared.own(TOOLS_LOCK) !== undefined;
      const today = upstream.today.toISOString().slice(0, 10);
      const made = resolved.map(({ pin, answer, support }) => driftRow(pin, answer, support, today));
      if (save !== undefined) await saveReport(save, await reportOf(project(), release, made, run));
      return made;
    });
    process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : driftTable(rows));
    if (!isPackage) process.stderr.write(`${NOT_HERE}\n`);
    process.stderr.write(`${summary(rows)}\n`);
    if (save === undefined && !isAcceptable(rows, strict)) process.exitCode = 1;
  });

/** What a project of another team does not pin itself. */
const NOT_HERE =
  "Node's binary, the tool container and the actions of the workflows come with the package smolvm-images; update that";

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
