import type { Cells } from "../../schema/cells.ts";
import { GitHubClient } from "../../stores/github/client.ts";
import { GitHubReleases } from "../../stores/github/releases.ts";
import type { Run } from "../../util/progress.ts";
import { actionsRun } from "./actions-run.ts";

export { propose } from "../../stores/github/propose.ts";
export { actionsRun };

/** The releases of the repository in GITHUB_REPOSITORY, or else of the declared one. */
export const openGitHubReleases = (cells: Cells, run: Run, anonymous: boolean): GitHubReleases =>
  new GitHubReleases(openGitHub(cells, run, anonymous), actionsRun().commit);

/** A client for the repository in GITHUB_REPOSITORY, or else the declared one. The workflow of a fork uses the fork. */
export function openGitHub(cells: Cells, run: Run, anonymous = false): GitHubClient {
  const { repository = cells.repository, apiUrl } = actionsRun();
  if (repository !== cells.repository) {
    run.progress.warn(
      `GITHUB_REPOSITORY is ${repository}, but images.ts declares ${cells.repository}: ` +
        `addresses in the manifest are those of ${cells.repository}`,
    );
  }
  return new GitHubClient({ token: process.env.GITHUB_TOKEN, repository, apiUrl, anonymous }, run);
}
