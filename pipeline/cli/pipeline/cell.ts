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
import { reasonAgainstKvm } from "../../vm/accel.ts";
import { accelOption } from "../shared/accel-option.ts";
import { BOUNDS, range, wholeNumber } from "../shared/numbers.ts";
import { inRun } from "../shared/run.ts";
import { checkStageCells, checkStageFlags } from "./stage-flags.ts";
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
    .argument("<id...>", "ids of cells, from `npx smolvm-images list`, such as codex-amd64-debian")
    .addOption(
      new Option(
        "--stage <stage>",
        "run only one stage; container: only the container image of a base",
      ).choices(["container", ...STAGES, "upload"]),
    )
    .option(...STORE)
    .option(...RELEASE_ID)
    .option(
      `--level <${range(BOUNDS.level)}>`,
      "zstd level; a low level is faster",
      wholeNumber(BOUNDS.level),
      DEFAULT_LEVEL,
    )
    .option("--no-cache", "rebuild everything, even if it is cached or staged")
    .option(
      "--as-declared",
      "fail if something differs from its declaration (default: record it in the facts)",
    )
    .option("--record", "record the contents of each image in listings/, to compare later builds with")
    .option("--kernel <path>", "boot every machine with this kernel instead of the pipeline's")
    .option("--initrd <path>", "initial ramdisk for --kernel")
    .addOption(accelOption())
    .option(
      "--boot-timeout <s>",
      `time limit for the SSH login of a booted machine, seconds (${range(BOUNDS.bootTimeoutS)})`,
      wholeNumber(BOUNDS.bootTimeoutS),
    )
    .option("--frames", "with --stage container, also compress what presets have in common with the base")
    .option(
      "--bases <dir>",
      "load bases (container images, compressed frames) from this directory, and save new ones there",
    ),
).action(async (ids: string[], flags: Flags, command: Command) => {
  const cells = readCells(root());
  const selected = selectCells(cells, ids);
  const { stage, store } = flags;
  checkStageFlags(flags, (name) => command.getOptionValueSource(name) === "cli");
  checkStageCells(stage, selected);
  // Problems with the upload are reported before anything is built.
  if (store?.kind === "github") await openReleases(cells, store, unwatched());
  if (stage !== "upload") {
    const directory = store?.kind === "dir" ? store.path : undefined;
    await checkStaging(stagingDirectory(cells, store));
    const options = toOptions(cells, { ...flags, store: directory }, selected);
    // KVM cannot be required for guests of another arch.
    if (stage !== "build") for (const { arch } of selected) reasonAgainstKvm(arch, options.accel);
    await inWorkshop(cells, selected, options, async (workshop, progress) => {
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

/** Uploads staged assets to the release. Prints the name of each asset that is on the release afterwards to stdout. */
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
        const how = sent === "sent" ? "uploaded" : "already on the release, with the same bytes";
        process.stderr.write(`${facts.asset}: ${how} (${humanBytes(facts.size)}, sha256 ${facts.sha256})\n`);
        process.stdout.write(`${facts.asset}\n`);
      }
    }
  });
}

/** Prints the path of each asset to stdout, and a summary to stderr. */
function report({ id, result, facts }: Outcome, store: string): void {
  if (result === "built" || result === "container") {
    const what = result === "built" ? "built, not verified yet" : "its container image is built";
    process.stderr.write(`${id}: ${what}\n`);
    return;
  }
  const how = result === "kept" ? "already staged, from the same inputs" : "verified and staged";
  process.stderr.write(`${id}: ${how}\n`);
  for (const each of facts) {
    for (const line of summaryOf(each)) process.stderr.write(`  ${line}\n`);
    process.stderr.write(`  sha256 ${each.sha256}\n`);
  }
  const overrides = facts[0]?.overrides ?? [];
  if (overrides.length > 0) process.stderr.write(`  not as declared: ${overrides.join(", ")}\n`);
  for (const { asset } of facts) process.stdout.write(`${relative(root(), `${store}/${asset}`)}\n`);
}
