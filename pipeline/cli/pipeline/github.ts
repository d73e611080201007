import type { Cells } from "../../schema/cells.ts";
import { GITHUB } from "../../schema/names.ts";
import { GitHubClient } from "../../stores/github/client.ts";
import { GitHubReleases } from "../../stores/github/releases.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { githubToken } from "../shared/token.ts";
import { actionsRun } from "./actions-run.ts";

export { provenanceOf } from "../../stores/github/attestations.ts";
export { keepIssue } from "../../stores/github/issue.ts";
export { propose } from "../../stores/github/propose.ts";
export { keepComment, pullChange, textAt } from "../../stores/github/pull.ts";
export { actionsRun };

/** The releases of the repository in GITHUB_REPOSITORY, or else of the declared one. */
export const openGitHubReleases = (cells: Cells, run: Run, anonymous: boolean): GitHubReleases =>
  new GitHubReleases(openGitHub(cells, run, anonymous), actionsRun().commit);

/**
 * A client for the declared repository; for one that only reads, for the repository in GITHUB_REPOSITORY.
 * @throws PipelineError for a client that may write, if GITHUB_REPOSITORY or GITHUB_SERVER_URL is another's
 */
export function openGitHub(cells: Cells, run: Run, anonymous = false): GitHubClient {
  const { repository = cells.repository, apiUrl } = actionsRun();
  if (!anonymous) checkDeclared(cells, repository);
  return new GitHubClient({ token: githubToken(), repository, apiUrl, anonymous }, run);
}

/** The addresses in the manifest are those of the declared repository, so nothing is published anywhere else. */
function checkDeclared({ repository }: Cells, asked: string): void {
  const { GITHUB_SERVER_URL: server = GITHUB } = process.env;
  if (asked !== repository) {
    throw new PipelineError(
      `GITHUB_REPOSITORY is ${asked}, but images.ts declares ${repository}, which every address in the manifest names`,
      { code: "other-repository", fix: "declare your repository in images.ts, and run `npm run synth`" },
    );
  }
  if (server !== GITHUB) {
    throw new PipelineError(
      `GITHUB_SERVER_URL is ${server}, but the addresses in the manifest are on ${GITHUB}`,
      {
        ...{ code: "other-repository", fix: "publish from a repository on github.com" },
      },
    );
  }
}
