import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as actions from "@actions/core";
import { Command } from "commander";
import { trustedRoot } from "../../attestation/trusted-root.ts";
import { prune } from "../../release/prune.ts";
import { verifyRelease } from "../../release/verify.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { MANIFEST_PATH, Manifest } from "../../schema/manifest.ts";
import { MANIFEST_ASSET, TAG } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";
import { readCommitted } from "../../util/record.ts";
import { BOUNDS, range, wholeNumber } from "../shared/numbers.ts";
import { inRun } from "../shared/run.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { emptyDraft } from "./empty-draft.ts";
import { refuse } from "./refuse.ts";
import { releaseDiffCommand } from "./release-diff.ts";
import { writeReleaseManifest } from "./release-manifest.ts";
import { releasePublishCommand } from "./release-publish.ts";
import { releaseReportCommand } from "./release-report.ts";
import { openReleases, STORE, type StoreFlags } from "./store.ts";
import { root } from "./tree.ts";

export const releaseCommand = new Command("release")
  .addCommand(
    new Command("prepare")
      .description("find or create the one draft for the tag, and print its id")
      .option(...STORE)
      .option("--empty", "remove the assets that earlier runs left on the draft")
      .action(prepareRelease),
  )
  .addCommand(releasePublishCommand)
  .addCommand(
    new Command("manifest")
      .description("make the manifest of the release that a run makes, as `publish` will make it")
      .option("--carry", "with what `publish --carry` copies from the last release")
      .requiredOption("--facts <dir>", "the artifacts of the run with facts (facts-<id> in this directory)")
      .requiredOption("--output <file>", "the file to write")
      .action(writeReleaseManifest),
  )
  .addCommand(
    new Command("fetch")
      .description("download kernels of the last release that have the tree's inputs, to boot images with")
      .argument("<id...>", "ids of kernels, such as kernel-amd64")
      .action(async (ids: string[]) => await (await import("./fetch-kernels.ts")).fetchKernels(ids)),
  )
  .addCommand(
    new Command("propose")
      .description("open a pull request with the digests that `publish` recorded")
      .option("--recorded <dir>", "the directory with images.lock.json (default: the project)")
      .action(
        async ({ recorded }: { recorded?: string }) =>
          await (await import("./propose.ts")).proposeDigests(recorded),
      ),
  )
  .addCommand(
    new Command("verify")
      .description("compare each asset of a release with the committed manifest")
      .argument("[tag]", "the release's tag (default: the declared one)")
      .option(...STORE)
      .option("--download", "download and hash the assets (default: use the digests that GitHub reports)")
      .option("--require-immutable", "exit 1 if the release on GitHub is not immutable (default: a warning)")
      .option(
        "--trusted-root <file>",
        "GitHub's keys, as `gh attestation trusted-root` prints them, to verify the signature of an immutable release's attestation",
      )
      .action(verify),
  )
  .addCommand(releaseDiffCommand)
  .addCommand(releaseReportCommand)
  .addCommand(
    new Command("prune")
      .description("remove old drafts and superseded releases, but never the one in the committed manifest")
      .option(...STORE)
      .requiredOption(
        "--keep <n>",
        `how many published releases to keep (${range(BOUNDS.keep)})`,
        wholeNumber(BOUNDS.keep),
      )
      .option("--dry-run", "only print what would be removed")
      .action(pruneReleases),
  );

async function prepareRelease(flags: StoreFlags & { empty?: true }): Promise<void> {
  checkActionsFiles();
  const cells = readCells(root());
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run);
    run.progress.step(`find or create the draft of ${cells.tag} on ${store.name}`);
    const release = await store.prepare(cells.tag);
    if (flags.empty) await emptyDraft(store, release, run);
    run.progress.end();
    if (process.env.GITHUB_OUTPUT) actions.setOutput("release-id", release.id);
    process.stdout.write(`${release.id}\n`);
    process.stderr.write(`${release.tag}: ${release.url}\n`);
  });
}

interface VerifyFlags extends StoreFlags {
  readonly download?: true;
  readonly requireImmutable?: true;
  readonly trustedRoot?: string;
}

async function verify(tag: string | undefined, flags: VerifyFlags): Promise<void> {
  if (tag !== undefined && !TAG.test(tag)) {
    throw new PipelineError(`"${tag}" is not a valid tag`, { fix: 'use letters, digits, ".", "_" and "-"' });
  }
  const cells = readCells(root());
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run, true);
    if (!store.isPublic && (flags.requireImmutable || flags.trustedRoot !== undefined)) {
      throw new PipelineError("--require-immutable and --trusted-root are for releases on GitHub", {
        fix: "omit them, or give --store github",
      });
    }
    const wanted = tag ?? cells.tag;
    // A release in a directory has its own manifest, because the committed one has only public releases.
    const release = store.isPublic ? undefined : await store.find(wanted);
    if (!store.isPublic && !release) {
      throw new PipelineError(`${store.name} has no release ${wanted}`, {
        ...{ code: "not-offered", fix: "run `npx smolvm-images release publish` first" },
      });
    }
    const path = release ? join(release.id, MANIFEST_ASSET) : MANIFEST_PATH;
    const text = await readFile(resolve(root(), path), "utf8").catch((cause) => {
      throw new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, {
        ...{ code: "not-readable", fix: "run `npx smolvm-images release publish` first", cause },
      });
    });
    const { files, problems, warnings } = await verifyRelease(
      {
        ...{ store, tag: wanted, manifest: { text, path }, download: flags.download === true },
        requireImmutable: flags.requireImmutable === true,
        root: flags.trustedRoot === undefined ? undefined : await trustedRoot(flags.trustedRoot),
      },
      run,
    );
    for (const warning of warnings) run.progress.warn(warning);
    run.progress.end();
    if (problems.length > 0) return refuse(`${wanted} on ${store.name} does not match ${path}`, problems);
    const fixed = store.isPublic && warnings.length === 0;
    const attested = fixed
      ? "; it is immutable, and GitHub has attested its tag, its commit and these files"
      : "";
    process.stderr.write(`${wanted}: ${files} files on ${store.name} match ${path}${attested}\n`);
  });
}

async function pruneReleases(flags: StoreFlags & { keep: number; dryRun?: true }): Promise<void> {
  const cells = readCells(root());
  await inRun(async (run) => {
    const store = await openReleases(cells, flags.store, run);
    const committed = await readCommitted(join(root(), MANIFEST_PATH), Manifest);
    if (!committed) {
      throw new PipelineError(`${MANIFEST_PATH} is missing`, { fix: "run `npx smolvm-images synth`" });
    }
    const dryRun = flags.dryRun === true;
    const removed = await prune(
      { store, keep: flags.keep, tag: cells.tag, inUse: committed.tag, dryRun },
      run,
    );
    run.progress.end();
    for (const { tag, state, url } of removed) process.stdout.write(`${tag}  ${state}  ${url}\n`);
    process.stderr.write(
      `${removed.length} releases ${dryRun ? "would be " : ""}removed from ${store.name}\n`,
    );
  });
}
