import { PipelineError } from "../../util/error.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";
import { isSameText } from "./same-text.ts";

export interface Proposal {
  /** The branch with the change. An existing branch of this name is overwritten: see `mark`. */
  readonly branch: string;
  /** The branch to merge into. @default the repository's default branch */
  readonly base?: string | undefined;
  /** The commit that the files were made from. If the base is at another one, nothing is proposed. @default any */
  readonly from?: string | undefined;
  readonly title: string;
  readonly body: string;
  /**
   * The last line of the commit's message. If the branch exists and its newest commit lacks it, somebody else has changed
   * the branch, and nothing is proposed. @default none: the branch is overwritten
   */
  readonly mark?: string | undefined;
  /** The new content of files, by path. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Commits files to a branch and opens a pull request. Returns its address; undefined if the base branch has the same files
 * already. A second call updates the branch and the pull request, each only if it differs.
 * @throws PipelineError when the token lacks a permission, the base branch is at another commit than `from`, or somebody
 * else has changed the branch
 */
export async function propose(github: GitHubClient, proposal: Proposal): Promise<string | undefined> {
  const { octokit, repo } = github;
  const { branch, title, body, files } = proposal;
  const base = proposal.base ?? (await octokit.rest.repos.get(repo)).data.default_branch;

  const { data: ref } = await octokit.rest.git.getRef({ ...repo, ref: `heads/${base}` });
  if (proposal.from !== undefined && ref.object.sha !== proposal.from) {
    throw new PipelineError(
      `${base} of ${github.repository} is at ${ref.object.sha}, but this checkout is at ${proposal.from}`,
      { code: "dirty-tree", fix: `check out the newest commit of ${base}, then run it again` },
    );
  }
  const { data: head } = await octokit.rest.git.getCommit({ ...repo, commit_sha: ref.object.sha });
  const tree = Object.entries(files).map(([path, content]) => ({
    ...{ path, content },
    mode: "100644" as const,
    type: "blob" as const,
  }));
  const { data: changed } = await octokit.rest.git.createTree({ ...repo, base_tree: head.tree.sha, tree });
  if (changed.sha === head.tree.sha) return undefined;
  const message = proposal.mark === undefined ? title : `${title}\n\n${proposal.mark}`;
  const wanted = { message, tree: changed.sha, parents: [ref.object.sha] };
  const present = await newestCommit(github, branch);
  if (present && proposal.mark !== undefined && !present.message.split("\n").includes(proposal.mark)) {
    throw new PipelineError(`the newest commit of the branch ${branch} was made by somebody else`, {
      code: "not-ours",
      fix: "merge or delete the branch",
    });
  }
  if (JSON.stringify(present) !== JSON.stringify(wanted)) {
    const { data: commit } = await octokit.rest.git.createCommit({ ...repo, ...wanted });
    await point(github, branch, commit.sha);
  }
  return await open(github, { head: branch, base, title, body });
}

/** The newest commit of a branch; undefined if the branch does not exist. */
async function newestCommit({ octokit, repo }: GitHubClient, branch: string) {
  try {
    const { data: ref } = await octokit.rest.git.getRef({ ...repo, ref: `heads/${branch}` });
    const { data } = await octokit.rest.git.getCommit({ ...repo, commit_sha: ref.object.sha });
    return { message: data.message, tree: data.tree.sha, parents: data.parents.map(({ sha }) => sha) };
  } catch (error) {
    if (error instanceof GitHubError && error.status === 404) return undefined;
    throw error;
  }
}

/** Points a branch at a commit. Creates the branch if it does not exist. */
async function point({ octokit, repo }: GitHubClient, branch: string, sha: string): Promise<void> {
  try {
    await octokit.rest.git.createRef({ ...repo, ref: `refs/heads/${branch}`, sha });
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 422) throw error;
    await octokit.rest.git.updateRef({ ...repo, ref: `heads/${branch}`, sha, force: true });
  }
}

interface Pull {
  readonly head: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
}

async function open({ octokit, repo }: GitHubClient, pull: Pull): Promise<string> {
  const opened = async () => {
    const head = `${repo.owner}:${pull.head}`;
    return (await octokit.rest.pulls.list({ ...repo, head, state: "open" })).data[0];
  };
  const there = await opened();
  if (there) {
    const { title, body } = pull;
    if (there.title !== title || !isSameText(there.body, body))
      await octokit.rest.pulls.update({ ...repo, pull_number: there.number, title, body });
    return there.html_url;
  }
  try {
    return (await octokit.rest.pulls.create({ ...repo, ...pull, request: { once: true } })).data.html_url;
  } catch (error) {
    // The pull request may exist all the same: the response was lost, or someone else opened it.
    const found = await opened();
    if (found) return found.html_url;
    if (!(error instanceof GitHubError) || error.status !== 403) throw error;
    throw new PipelineError(`the token may not open a pull request (${error.problem})`, {
      code: "github-denied",
      fix:
        "the job needs `permissions: { pull-requests: write }`, and the repository's settings must let Actions " +
        "create them",
      cause: error,
    });
  }
}
