import type { RestEndpointMethodTypes } from "@octokit/rest";
import { SHA256 } from "../../util/hash.ts";
import type { StoredAsset, StoredRelease } from "../store.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";

export type ApiRelease = RestEndpointMethodTypes["repos"]["getRelease"]["response"]["data"];
type ApiAsset = RestEndpointMethodTypes["repos"]["getReleaseAsset"]["response"]["data"];

/** Awaits a deletion. Accepts a 404, because the object is already deleted then. */
export async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 404) throw error;
  }
}

/** The tag of a release. GitHub can replace the tag of a draft by `untagged-…`; its name still has the tag. */
export const tagOf = ({ tag_name: tag, name }: ApiRelease) =>
  tag.startsWith("untagged-") && name ? name : tag;

export const storedRelease = (release: ApiRelease): StoredRelease => ({
  id: String(release.id),
  tag: tagOf(release),
  state: release.draft ? "draft" : "published",
  url: release.html_url,
  ...(release.immutable ? { immutable: true } : {}),
});

export const storedAsset = ({ id, name, size, state, digest }: ApiAsset): StoredAsset => ({
  id: String(id),
  name,
  size,
  sha256: sha256Of(digest),
  complete: state === "uploaded",
});

/** The hex digits of `sha256:…`, GitHub's form of a digest; undefined for any other form. */
function sha256Of(digest: string | null): string | undefined {
  const [algorithm, hex = "", ...rest] = (digest ?? "").split(":");
  return algorithm === "sha256" && rest.length === 0 && SHA256.test(hex) ? hex : undefined;
}

/** Every release of a repository, newest first, with drafts if the token may see them. */
export async function allReleases({ octokit, repo }: GitHubClient): Promise<ApiRelease[]> {
  return await octokit.paginate(octokit.rest.repos.listReleases, { ...repo, per_page: 100 });
}

export async function listAssets(
  { octokit, repo }: GitHubClient,
  { id }: StoredRelease,
): Promise<StoredAsset[]> {
  const release = { ...repo, release_id: Number(id), per_page: 100 };
  return (await octokit.paginate(octokit.rest.repos.listReleaseAssets, release)).map(storedAsset);
}
