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

/** What `--store` says: GitHub's releases, or a directory. */
export type StoreChoice = { readonly kind: "github" } | { readonly kind: "dir"; readonly path: string };

function parseStore(value: string): StoreChoice {
  if (value === "github") return { kind: "github" };
  const path = /^dir:(.+)$/.exec(value)?.[1];
  if (!path) throw new InvalidArgumentError('Stores: "dir:PATH", "github".');
  return { kind: "dir", path: resolve(path) };
}

/** What the commands that know releases are given. */
export interface StoreFlags {
  readonly store?: StoreChoice;
  readonly releaseId?: string;
}

/** The options for it. */
export const STORE = [
  "--store <dir:PATH|github>",
  "where the release is (default: github inside Actions, else dir:out/release/<tag>)",
  parseStore,
] as const;
export const RELEASE_ID = [
  "--release-id <id>",
  "the release that `prepare` printed the id of (default: the tag's)",
] as const;

/** Where finished cells are: the directory that `--store` names, or the default one. */
export const stagingDirectory = ({ tag }: Cells, choice?: StoreChoice): string =>
  choice?.kind === "dir" ? choice.path : join(root(), "out/release", tag);

/** Makes sure that cells can be staged in a directory before any is built, and changes nothing. @throws PipelineError */
export async function checkStaging(directory: string): Promise<void> {
  await checkOwnership(directory);
  await checkDirectory(directory, "choose another directory with --store dir:PATH");
}

/** The store of the declared release. Inside Actions it is GitHub's, unless `choice` says otherwise. */
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

/** As a reader in the project's root would call it. */
function shown(path: string): string {
  const short = relative(root(), path) || ".";
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}

/** The release that the flags mean. @throws PipelineError when there is none, or it is of another tag */
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
    throw new PipelineError(`release ${release.id} is of ${release.tag}, and the tree declares ${cells.tag}`);
  }
  return release;
}
