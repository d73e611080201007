import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type Reading, readRelease } from "../../release/diff/read.ts";
import { countOf } from "../../release/digests.ts";
import { expectedAssets } from "../../release/expected.ts";
import { checkPartial, publish } from "../../release/publish.ts";
import { readCells } from "../../runtime/read-cells.ts";
import type { Cells } from "../../schema/cells.ts";
import type { Inventory } from "../../schema/inventory.ts";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { MANIFEST_ASSET } from "../../schema/names.ts";
import type { RecordedDigests } from "../../schema/recorded-digests.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import { isGenerated } from "../../synth/marker.ts";
import { PUBLISHED_IMAGES_PATH } from "../../synth/published-images.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { inRun } from "../shared/run.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { checkedCarriage, lastDigests } from "./carry-source.ts";
import { compared } from "./changelog.ts";
import { recordedFiles } from "./recorded-files.ts";
import { refuse } from "./refuse.ts";
import { releaseReport, savePage } from "./release-report.ts";
import { openReleases, RELEASE_ID, STORE, type StoreFlags, stagingDirectory, theRelease } from "./store.ts";
import { summarisePublication } from "./summary.ts";
import { root } from "./tree.ts";
import { type ArtifactFlags, uploadArtifacts } from "./upload-artifacts.ts";

export const releasePublishCommand = new Command("publish")
  .description("check that every expected asset is on the release, add the manifest, and record the digests")
  .option(...STORE)
  .option(...RELEASE_ID)
  .addOption(
    new Option(
      "--partial",
      "publish what is staged, even if assets are missing; only for directories",
    ).conflicts("final"),
  )
  .addOption(
    new Option(
      "--artifacts <dir>",
      "check the artifacts of a run (cell-<id> in this directory), and upload them first",
    ).conflicts(["partial", "releaseId"]),
  )
  .option(
    "--attestations <dir>",
    "with --artifacts: verify the attestations of the run (attestation-<id> in this directory) before the upload",
  )
  .addOption(
    new Option(
      "--carry",
      "copy what is not staged from the release in images.lock.json, if it was made from the same inputs",
    ).conflicts("partial"),
  )
  .option("--empty", "with --artifacts: remove the assets that earlier runs left on the draft")
  .option("--withhold <reason>", "do not publish, for this reason, and report the state (empty: publish)")
  .option("--report <file>", "also write the report of the release to this file")
  .option("--final", "make the release public (default: it stays a draft, which a person publishes)")
  .action(publishRelease);

interface PublishFlags extends StoreFlags, ArtifactFlags {
  readonly final?: true;
  readonly partial?: true;
  readonly artifacts?: string;
  readonly report?: string;
}

async function publishRelease(flags: PublishFlags): Promise<void> {
  checkActionsFiles();
  checkArtifactFlags(flags);
  const cells = readCells(root());
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run);
    checkPartial(store, flags.partial);
    if (store.isPublic && flags.artifacts !== undefined && flags.attestations === undefined) {
      throw new PipelineError(
        "--artifacts is given without --attestations, and a public release must be attested",
        {
          fix: "download the artifacts `attestation-*` of the run, and give their directory",
        },
      );
    }
    const staged = new StagingDirectory(stagingDirectory(cells, flags.store));
    const target = { cells, store, staged };
    const before = await lastDigests();
    const last = flags.carry && store.isPublic ? before : undefined;
    const uploaded = flags.artifacts
      ? await uploadArtifacts(target, flags.artifacts, flags, run)
      : { release: await theRelease(store, cells, flags), bundle: undefined };
    if (!uploaded) return;
    if (last && !flags.artifacts) {
      const { carried } = await expectedAssets(cells, staged, false, last);
      await (await checkedCarriage(target, carried, run))?.copyTo(uploaded.release);
    }
    if (store.isPublic) await checkRecordable();
    // The text about the changes and the report read the same inventories.
    const known = new Map<string, Inventory>();
    const published = await publish(
      {
        ...{ cells, staged, store, ...uploaded, final: flags.final === true },
        ...{ last, before, partial: flags.partial === true },
        withheld: flags.withhold,
        describe: async (release) => await changesSince(before, { store, release, cells, known }, run),
        report: async (release, digests) => {
          const page = await releaseReport({ store, release, cells, digests, known }, run);
          if (page !== undefined && flags.report !== undefined) await savePage(flags.report, page);
          return page;
        },
        // The manifest has GitHub's addresses, so nothing is recorded for a directory.
        record: async (lock) => (store.isPublic ? await record(cells, lock) : undefined),
      },
      run,
    );
    run.progress.end();
    await summarisePublication(published, before);
    const { problems } = published;
    const { url, state } = published.release;
    if (problems.length > 0) {
      const state = flags.artifacts ? "what was staged is on the draft" : "nothing was changed";
      refuse(`${cells.tag} is not published, and ${state}`, problems);
      return;
    }
    process.stdout.write(`${url}\n`);
    const next = !store.isPublic || state === "published" ? "" : "; review the draft, then publish it";
    process.stderr.write(
      `${cells.tag}: ${countOf(published)} assets with their manifest on ${store.name}${next}\n`,
    );
  });
}

/**
 * What is different from the last release, Markdown; undefined if there is none. The text is for readers alone: if it cannot be
 * made, the release is published without it.
 */
async function changesSince(
  before: RecordedDigests | undefined,
  { store, release, cells, known }: Reading,
  run: Run,
): Promise<string | undefined> {
  if (!store.isPublic || !before || before.tag === release.tag) return undefined;
  try {
    const last = await store.find(before.tag);
    if (!last) throw new PipelineError(`${store.name} has no release ${before.tag}`);
    const common = { store, cells, known };
    const then = await readRelease({ ...common, release: last }, run);
    const now = await readRelease({ ...common, release, awaited: [MANIFEST_ASSET] }, run);
    return compared(then, now, cells).text;
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    run.progress.warn(`the draft does not say what has changed since ${before.tag}: ${error.message}`);
    return undefined;
  }
}

/** @throws PipelineError for flags that have no effect */
function checkArtifactFlags({ empty, attestations, artifacts }: PublishFlags): void {
  if (artifacts !== undefined) return;
  if (empty) {
    throw new PipelineError("--empty has no effect without --artifacts", {
      fix: "run `npx smolvm-images release prepare --empty` first",
    });
  }
  if (attestations !== undefined) {
    throw new PipelineError("--attestations has no effect without --artifacts", {
      fix: "give the directory of the artifacts `cell-*` of the same run",
    });
  }
}

/** Checks that `record` may replace the files that it writes. @throws PipelineError if this project did not write them */
async function checkRecordable(): Promise<void> {
  for (const path of [MANIFEST_PATH, PUBLISHED_IMAGES_PATH]) {
    const text = await readFile(join(root(), path), "utf8").catch(() => undefined);
    if (text === undefined || isGenerated(path, text)) continue;
    throw new PipelineError(`${path} was not written by this program, which would replace it`, {
      ...{ code: "not-ours", fix: "restore it from git, or move it away" },
    });
  }
}

/** Writes the recorded digests, and the files that synth generates from them. */
async function record(cells: Cells, lock: RecordedDigests): Promise<void> {
  for (const [path, text] of Object.entries(recordedFiles(cells, lock))) {
    await writeWhole(join(root(), path), (partial) => writeFile(partial, text));
  }
}
