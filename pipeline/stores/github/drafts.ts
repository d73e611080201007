import { randomUUID } from "node:crypto";
import { PipelineError } from "../../util/error.ts";
import type { StoredRelease } from "../store.ts";
import { type ApiRelease, allReleases, listAssets, storedRelease, tagOf } from "./api.ts";
import type { GitHubClient } from "./client.ts";
import { isSameText } from "./same-text.ts";

/** Marks the text of a draft that the pipeline created. A random id follows, by which the draft can be found. */
const MARK = "<!-- prepared";

/**
 * Creates a draft and returns all drafts of the tag. If the response to the POST is lost, the draft may exist, and a stale
 * list may not show it at once. Each further attempt therefore first looks for a draft with the same mark.
 */
export async function createDraft(github: GitHubClient, tag: string, commit?: string): Promise<ApiRelease[]> {
  const mark = `${MARK} ${randomUUID()} -->`;
  const request = {
    ...github.repo,
    tag_name: tag,
    name: tag,
    draft: true,
    body: `Root file systems and kernels; \`manifest.json\` says which is which.\n\n${mark}`,
    ...(commit ? { target_commitish: commit } : {}),
    request: { once: true },
  };
  const created = await github.retry(
    async (attempt) =>
      (attempt > 1 ? await marked(github, mark) : undefined) ??
      (await github.octokit.rest.repos.createRelease(request)).data,
  );
  const { id } = created;
  const others = (await allReleases(github)).filter((other) => tagOf(other) === tag && other.id !== id);
  return [created, ...others.filter(({ draft }) => draft)];
}

/**
 * Sets the text of a draft below our mark. What a person has written above it stays; so does all of a text without our mark.
 */
export async function describeDraft(
  { octokit, repo }: GitHubClient,
  { id, tag }: StoredRelease,
  text: string,
): Promise<void> {
  const release = { ...repo, release_id: Number(id) };
  const { data } = await octokit.rest.repos.getRelease(release);
  const [, ours] = new RegExp(`^([\\s\\S]*?${MARK} [^\\n]*-->)`).exec(data.body ?? "") ?? [];
  const body = `${ours}\n\n${text}`;
  if (!data.draft || ours === undefined || isSameText(data.body, body)) return;
  // A PATCH without the tag can drop it from a draft.
  await octokit.rest.repos.updateRelease({ ...release, tag_name: tag, body });
}

async function marked(github: GitHubClient, mark: string): Promise<ApiRelease | undefined> {
  for (let poll = 1; poll <= github.patience.polls; poll++) {
    const found = (await allReleases(github)).find(({ body }) => body?.includes(mark));
    if (found) return found;
    await github.pause(poll);
  }
  return undefined;
}

/**
 * Chooses the draft of a tag. Stale lists may have led us to create several. The draft that has assets is kept, or else the
 * oldest empty one; the other empty ones are surplus. @throws PipelineError when several drafts are in use
 */
export async function chooseDraft(
  github: GitHubClient,
  tag: string,
  drafts: readonly ApiRelease[],
): Promise<{ kept: StoredRelease; surplus: readonly StoredRelease[] }> {
  if (drafts.length === 1) return { kept: storedRelease(drafts[0]!), surplus: [] };
  const unused = await unusedDrafts(github, drafts);
  const used = drafts.map(storedRelease).filter(({ id }) => !unused.some((each) => each.id === id));
  const [kept, ...surplus] = [...used, ...unused];
  if (!kept || used.length > 1) throw severalDrafts(github, tag, drafts.map(storedRelease));
  return { kept, surplus };
}

/** The drafts that the pipeline created and that have no assets, oldest first. */
export async function unusedDrafts(
  github: GitHubClient,
  drafts: readonly ApiRelease[],
): Promise<StoredRelease[]> {
  const unused: StoredRelease[] = [];
  for (const draft of drafts.filter(({ body }) => body?.includes(MARK)).toSorted((a, b) => a.id - b.id)) {
    const release = storedRelease(draft);
    if ((await listAssets(github, release)).length === 0) unused.push(release);
  }
  return unused;
}

function severalDrafts(
  { repository }: GitHubClient,
  tag: string,
  drafts: readonly StoredRelease[],
): PipelineError {
  return new PipelineError(
    `${repository} on GitHub has ${drafts.length} drafts for ${tag}, but there must be only one`,
    {
      ...{ code: "several-drafts", fix: "remove all but one of them" },
      details: drafts.map(
        ({ id, url }) => `- gh api -X DELETE repos/${repository}/releases/${id}   # ${url}`,
      ),
    },
  );
}
