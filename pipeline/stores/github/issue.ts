import type { GitHubClient } from "./client.ts";
import { isSameText } from "./same-text.ts";

/** An issue that this project maintains: there is one of each label. */
export interface KeptIssue {
  /** It is found again by its label, which only maintainers can give, and by the mark in its body. */
  readonly label: string;
  /** A line of the body, such as an HTML comment. */
  readonly mark: string;
  readonly title: string;
  readonly body: string;
  /** Whether there is something to do. Otherwise an open issue is closed, and none is opened. */
  readonly open: boolean;
}

/**
 * Opens, updates, reopens or closes an issue. One that is as it should be is not written.
 * @returns its address; undefined if there is none and none is needed
 * @throws PipelineError when the token lacks a permission, or the repository has no issues
 */
export async function keepIssue(
  { octokit, repo }: GitHubClient,
  { label, mark, title, body: text, open }: KeptIssue,
): Promise<string | undefined> {
  const body = `${text.trimEnd()}\n\n${mark}\n`;
  const find = async () => {
    const listed = { ...repo, labels: label, state: "all" as const, per_page: 100 };
    const { data } = await octokit.rest.issues.listForRepo(listed);
    // A pull request is also listed as an issue.
    return data.find((issue) => issue.pull_request === undefined && issue.body?.includes(mark));
  };
  const there = await find();
  if (there === undefined) {
    if (!open) return undefined;
    const wanted = { ...repo, title, body, labels: [label] };
    try {
      return (await octokit.rest.issues.create({ ...wanted, request: { once: true } })).data.html_url;
    } catch (error) {
      // The issue may exist all the same: the response was lost.
      const found = await find();
      if (found) return found.html_url;
      throw error;
    }
  }
  const state = open ? "open" : "closed";
  if (there.title !== title || !isSameText(there.body, body) || there.state !== state)
    await octokit.rest.issues.update({ ...repo, issue_number: there.number, title, body, state });
  return there.html_url;
}
