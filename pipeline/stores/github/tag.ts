import { PipelineError } from "../../util/error.ts";
import { isPublished } from "../outgoing.ts";
import type { StoredRelease } from "../store.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";

/**
 * Checks that the tag of a draft does not exist yet, or is on the commit that is built. GitHub makes a tag that does not
 * exist when the draft is published, and ignores the draft's commit where it exists.
 * @throws PipelineError when the tag is on another commit
 */
export async function checkTag(github: GitHubClient, tag: string, commit: string): Promise<void> {
  const there = await commitOf(github, tag);
  if (there === undefined || there === commit) return;
  throw new PipelineError(
    `the tag ${tag} is on commit ${there} of ${github.repository}, but ${commit} is built`,
    { code: "tag-conflict", fix: "choose a new tag (IMAGES_RELEASE_TAG in images.ts), or remove this one" },
  );
}

/** The commit that a tag points to, also where the tag is annotated; undefined if there is no such tag. */
async function commitOf({ octokit, repo }: GitHubClient, tag: string): Promise<string | undefined> {
  try {
    return (await octokit.rest.repos.getCommit({ ...repo, ref: `tags/${tag}` })).data.sha;
  } catch (error) {
    // GitHub answers 422 to a name of no commit.
    if (error instanceof GitHubError && (error.status === 404 || error.status === 422)) return undefined;
    throw error;
  }
}

/**
 * Makes the tag of a draft point to a commit, once the draft is published. A draft can be of an earlier run.
 * @throws PipelineError when somebody has published it
 */
export async function pointDraft(
  github: GitHubClient,
  { id, tag }: StoredRelease,
  commit: string,
): Promise<void> {
  const { octokit, repo } = github;
  const draft = { ...repo, release_id: Number(id) };
  const { data } = await octokit.rest.repos.getRelease(draft);
  if (!data.draft) throw isPublished(tag, `${github.repository} on GitHub`);
  if (data.target_commitish === commit) return;
  // A PATCH without the tag can drop it from a draft. What is not named stays: also `draft`, if it is published just now.
  await octokit.rest.repos.updateRelease({ ...draft, tag_name: tag, target_commitish: commit });
}
