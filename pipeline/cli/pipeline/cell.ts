import { relative } from "node:path";
import { Command, Option } from "commander";
import { selectCells } from "../../plan/cells.ts";
import { uploadCell } from "../../release/upload.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { type Outcome, runCells, STAGES, type Stage } from "../../runtime/run-cells.ts";
import type { Cell, Cells } from "../../schema/cells.ts";
import { DEFAULT_LEVEL } from "../../schema/defaults.ts";
import { summaryOf } from "../../schema/kinds/index.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { unwatched } from "../../util/progress.ts";
import { accelOption } from "../shared/accel-option.ts";
import { BOUNDS, range, wholeNumber } from "../shared/numbers.ts";
import { inRun } from "../shared/run.ts";
import { checkStageFlags } from "./stage-flags.ts";
import {
  checkStaging,
  openReleases,
  RELEASE_ID,
  STORE,
  type StoreFlags,
  stagingDirectory,
  theRelease,
} from "./store.ts";
import { root } from "./tree.ts";
import { type BuildFlags, inWorkshop, toOptions, withBuildOptions } from "./workshop.ts";

interface Flags extends Omit<BuildFlags, "store">, StoreFlags {
  readonly stage?: Stage | "upload";
}

export const cellCommand = withBuildOptions(
  new Command("cell")
    .argument("<id...>", "cells, as `npx smolvm-images list` shows them: codex-amd64-debian")
    .addOption(new Option("--stage <stage>", "run one stage alone").choices([...STAGES, "upload"]))
    .option(...STORE)
    .option(...RELEASE_ID)
    .option(
      `--level <${range(BOUNDS.level)}>`,
      "zstd level: a low one for quick work",
      wholeNumber(BOUNDS.level),
      DEFAULT_LEVEL,
    )
    .option("--no-cache", "build every step anew, also what is staged already")
    .option("--as-declared", "refuse what could not be had as declared, instead of saying so in its facts")
    .option("--record", "write what is in each image to listings/, for later ones to be compared with")
    .option("--kernel <path>", "boot with this kernel")
    .option("--initrd <path>", "and this initial ramdisk")
    .addOption(accelOption())
    .option(
      "--boot-timeout <s>",
      `how long a machine has until its SSH login (${range(BOUNDS.bootTimeoutS)} s)`,
      wholeNumber(BOUNDS.bootTimeoutS),
    )
    .option("--bases <dir>", "take bases' container images from here, and put them here when they are built"),
).action(async (ids: string[], flags: Flags, command: Command) => {
  const cells = readCells(root());
  const selected = selectCells(cells, ids);
  const { stage, store } = flags;
  checkStageFlags(flags, (name) => command.getOptionValueSource(name) === "cli");
  // What keeps from uploading is said before anything is built.
  if (store?.kind === "github") await openReleases(cells, store, unwatched());
  if (stage !== "upload") {
    const directory = store?.kind === "dir" ? store.path : undefined;
    await checkStaging(stagingDirectory(cells, store));
    await inWorkshop(cells, toOptions(cells, { ...flags, store: directory }), async (workshop, progress) => {
      await runCells(workshop, selected, stage ? [stage] : STAGES, (outcome) => {
        progress.end();
        report(outcome, workshop.staging.directory);
      });
    });
  }
  if (stage === "upload" || (stage === undefined && store?.kind === "github")) {
    await uploadCells(cells, selected, flags);
  }
});

/** Sends what is staged to the chosen store; the name of each asset that is there then is data. */
async function uploadCells(cells: Cells, selected: readonly Cell[], flags: Flags): Promise<void> {
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run);
    const release =
      store.isPublic || flags.releaseId !== undefined
        ? await theRelease(store, cells, flags)
        : await store.prepare(cells.tag);
    const staged = new StagingDirectory(stagingDirectory(cells));
    for (const cell of selected) {
      for (const { facts, sent } of await uploadCell({ cells, staged, store, release }, cell, run)) {
        run.progress.end();
        const how = sent === "sent" ? "sent" : "there already, with the same bytes";
        process.stderr.write(`${facts.asset}: ${how} (${humanBytes(facts.size)}, sha256 ${facts.sha256})\n`);
        process.stdout.write(`${facts.asset}\n`);
      }
    }
  });
}

/** The path of each asset is data; what it is goes to the reader. */
function report({ id, result, facts }: Outcome, store: string): void {
  if (result === "built") {
    process.stderr.write(`${id}: built, not verified yet\n`);
    return;
  }
  const how = result === "kept" ? "staged before, from the same inputs" : "verified and staged";
  process.stderr.write(`${id}: ${how}\n`);
  for (const each of facts) {
    for (const line of summaryOf(each)) process.stderr.write(`  ${line}\n`);
    process.stderr.write(`  sha256 ${each.sha256}\n`);
  }
  const overrides = facts[0]?.overrides ?? [];
  if (overrides.length > 0) process.stderr.write(`  not as declared: ${overrides.join(", ")}\n`);
  for (const { asset } of facts) process.stdout.write(`${relative(root(), `${store}/${asset}`)}\n`);
}
