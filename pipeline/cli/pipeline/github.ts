import type { Cells } from "../../schema/cells.ts";
import { GitHubClient } from "../../stores/github/client.ts";
import { GitHubReleases } from "../../stores/github/releases.ts";
import type { Run } from "../../util/progress.ts";
import { actionsRun } from "./actions-run.ts";

export { propose } from "../../stores/github/propose.ts";
export { actionsRun };

/** The releases of the repository that the environment names, or else of the declared one. */
export const openGitHubReleases = (cells: Cells, run: Run, anonymous: boolean): GitHubReleases =>
  new GitHubReleases(openGitHub(cells, run, anonymous), actionsRun().commit);

/** GitHub, as the environment says; a fork's workflow works on the fork. */
export function openGitHub(cells: Cells, run: Run, anonymous = false): GitHubClient {
  const { repository = cells.repository, apiUrl } = actionsRun();
  if (repository !== cells.repository) {
    run.progress.warn(
      `GITHUB_REPOSITORY is ${repository}, and pipeline/images.ts declares ${cells.repository}: the manifest's ` +
        "addresses are of that one",
    );
  }
  return new GitHubClient({ token: process.env.GITHUB_TOKEN, repository, apiUrl, anonymous }, run);
}
