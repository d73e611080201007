import { isAbsolute, join, relative, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { Cells } from "../../schema/cells.ts";
import { checkOwnership } from "../../stores/directory/ownership.ts";
import { DirectoryReleases } from "../../stores/directory/releases.ts";
import type { ReleaseStore, StoredRelease } from "../../stores/store.ts";
import { checkDirectory } from "../../util/directory.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { loadGitHub } from "./load-github.ts";
import { root } from "./tree.ts";

/** The value of `--store`: GitHub's releases, or a directory. */
export type StoreChoice = { readonly kind: "github" } | { readonly kind: "dir"; readonly path: string };

function parseStore(value: string): StoreChoice {
  if (value === "github") return { kind: "github" };
  const path = /^dir:(.+)$/.exec(value)?.[1];
  if (!path) throw new InvalidArgumentError('Expected "dir:PATH" or "github".');
  return { kind: "dir", path: resolve(path) };
}

/** The flags of commands that use a release. */
export interface StoreFlags {
  readonly store?: StoreChoice;
  readonly releaseId?: string;
}

/** The option `--store`. */
export const STORE = [
  "--store <dir:PATH|github>",
  "the release store (default: github in GitHub Actions, otherwise dir:out/release/<tag>)",
  parseStore,
] as const;
export const RELEASE_ID = [
  "--release-id <id>",
  "the id of the release, as printed by `release prepare` (default: the release of the tag)",
] as const;

/** The path of the staging directory: the one that `--store` names, or the default one. */
export const stagingDirectory = ({ tag }: Cells, choice?: StoreChoice): string =>
  choice?.kind === "dir" ? choice.path : join(root(), "out/release", tag);

/**
 * Checks, before anything is built, that cells can be staged in a directory. Changes nothing. @throws PipelineError if
 * they cannot
 */
export async function checkStaging(directory: string): Promise<void> {
  await checkOwnership(directory);
  await checkDirectory(directory, "choose another directory with --store dir:PATH");
}

/** The release store. In GitHub Actions it is GitHub, unless `choice` selects a directory. */
export async function openReleases(
  cells: Cells,
  choice: StoreChoice | undefined,
  run: Run,
  anonymous = false,
): Promise<ReleaseStore> {
  const { kind } = choice ?? { kind: process.env.GITHUB_ACTIONS ? "github" : "dir" };
  if (kind === "github") {
    const { openGitHubReleases } = await loadGitHub();
    return openGitHubReleases(cells, run, anonymous);
  }
  return new DirectoryReleases(shown(stagingDirectory(cells, choice)), cells.tag, run);
}

/** A path, relative to the project's root if it is below it. */
function shown(path: string): string {
  const short = relative(root(), path) || ".";
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}

/** The release that the flags select. @throws PipelineError if there is none, or it has another tag */
export async function theRelease(
  store: ReleaseStore,
  cells: Cells,
  { releaseId }: StoreFlags,
): Promise<StoredRelease> {
  const release = releaseId === undefined ? await store.find(cells.tag) : await store.open(releaseId);
  if (!release) {
    throw new PipelineError(`${store.name} has no release for ${cells.tag}`, {
      ...{ code: "not-offered", fix: "run `npx smolvm-images release prepare` first" },
    });
  }
  if (release.tag !== cells.tag) {
    throw new PipelineError(
      `release ${release.id} has the tag ${release.tag}, but images.ts declares ${cells.tag}`,
      { fix: "give the id of the declared release, or omit --release-id" },
    );
  }
  return release;
}
