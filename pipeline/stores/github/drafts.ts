import { randomUUID } from "node:crypto";
import { PipelineError } from "../../util/error.ts";
import type { StoredRelease } from "../store.ts";
import { type ApiRelease, allReleases, listAssets, storedRelease, tagOf } from "./api.ts";
import type { GitHubClient } from "./client.ts";

/** In the text of a draft that we have made: it is looked for by what follows. */
const MARK = "<!-- prepared";

/**
 * Creates a draft, and returns every draft of the tag. A POST whose answer is lost may have created its draft all the
 * same, which a stale list does not show at once: it carries a mark, and is looked for by it before there is another.
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

async function marked(github: GitHubClient, mark: string): Promise<ApiRelease | undefined> {
  for (let poll = 1; poll <= github.patience.polls; poll++) {
    const found = (await allReleases(github)).find(({ body }) => body?.includes(mark));
    if (found) return found;
    await github.pause(poll);
  }
  return undefined;
}

/**
 * The one draft of a tag. Where lists were stale, we have made more than one: of those that nobody has used, one is
 * enough, and the rest is surplus. @throws PipelineError when a person must decide
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

/** Those that we have made and nobody has used, oldest first. */
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
    `${repository} on GitHub has ${drafts.length} drafts for ${tag}, and one is needed`,
    {
      ...{ code: "several-drafts", fix: "remove all but one of them" },
      details: drafts.map(
        ({ id, url }) => `- gh api -X DELETE repos/${repository}/releases/${id}   # ${url}`,
      ),
    },
  );
}
