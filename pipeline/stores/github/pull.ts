import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { textOf } from "../../util/read-text.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";
import { isSameText } from "./same-text.ts";

/** What a pull request changes. All of it comes from its author. */
export interface PullChange {
  /** The commit of the base branch from which it was made. */
  readonly from: string;
  /** The paths of the files that it adds, changes or removes; GitHub lists at most 300. */
  readonly files: readonly string[];
}

/** Compares the two ends of a pull request, which are commits. */
export async function pullChange(
  { octokit, repo }: GitHubClient,
  { base, head }: { readonly base: string; readonly head: string },
): Promise<PullChange> {
  const { data } = await octokit.rest.repos.compareCommitsWithBasehead({
    ...repo,
    basehead: `${base}...${head}`,
  });
  return { from: data.merge_base_commit.sha, files: (data.files ?? []).map(({ filename }) => filename) };
}

/**
 * The text of a file at a commit; undefined if it has no such file.
 * @param most the maximum size, bytes
 * @throws Error when the file is larger
 */
export async function textAt(
  { octokit, repo }: GitHubClient,
  commit: string,
  { path, most }: { readonly path: string; readonly most: number },
): Promise<string | undefined> {
  try {
    const { data } = await octokit.rest.repos.getContent({
      ...{ ...repo, path, ref: commit },
      mediaType: { format: "raw" },
      request: { parseSuccessResponseBody: false },
    });
    return await textOf(Readable.fromWeb(data as unknown as ReadableStream), most);
  } catch (error) {
    if (error instanceof GitHubError && error.status === 404) return undefined;
    throw error;
  }
}

/** A comment on a pull request that this project maintains: there is one. */
export interface KeptComment {
  /** A line of its text, by which it is found again. */
  readonly mark: string;
  readonly body: string;
  /** Whether a pull request without the comment gets it. Otherwise only one that is there is updated. */
  readonly create: boolean;
}

/** Who writes comments with the token of a workflow. */
const AUTHOR = "github-actions[bot]";

/**
 * Writes or updates the comment. One that is as it should be is not written, and nobody else's is changed.
 * @returns its address; undefined if there is none and none is needed
 */
export async function keepComment(
  { octokit, repo }: GitHubClient,
  number: number,
  { mark, body: text, create }: KeptComment,
): Promise<string | undefined> {
  const body = `${text.trimEnd()}\n\n${mark}\n`;
  const find = async () => {
    const listed = { ...repo, issue_number: number, per_page: 100 };
    const all = await octokit.paginate(octokit.rest.issues.listComments, listed);
    return all.find((comment) => comment.user?.login === AUTHOR && comment.body?.includes(mark));
  };
  const there = await find();
  if (there) {
    if (!isSameText(there.body, body))
      await octokit.rest.issues.updateComment({ ...repo, comment_id: there.id, body });
    return there.html_url;
  }
  if (!create) return undefined;
  try {
    const wanted = { ...repo, issue_number: number, body, request: { once: true } };
    return (await octokit.rest.issues.createComment(wanted)).data.html_url;
  } catch (error) {
    // The comment may exist all the same: the response was lost.
    const found = await find();
    if (found) return found.html_url;
    throw error;
  }
}
