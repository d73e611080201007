import { z } from "zod";
import type { Upstream } from "../upstream.ts";
import { askJson } from "./http.ts";

const Releases = z.array(
  z.object({
    tag_name: z.string(),
    draft: z.boolean(),
    prerelease: z.boolean(),
    published_at: z.iso.datetime().nullable(),
    assets: z.array(z.object({ name: z.string(), digest: z.string().nullable().optional() })),
  }),
);
export type GitHubRelease = z.infer<typeof Releases>[number];

/**
 * The newest 100 published releases of a repository, newest first, without prereleases.
 * @param repository `owner/name`
 * @throws Unknown
 */
export async function publishedReleases(upstream: Upstream, repository: string): Promise<GitHubRelease[]> {
  const { addresses, githubToken } = upstream;
  const url = `${addresses.githubApi.replace(/\/+$/, "")}/repos/${repository}/releases?per_page=100`;
  const headers = {
    accept: "application/vnd.github+json",
    ...(githubToken ? { authorization: `Bearer ${githubToken}` } : {}),
  };
  const all = await askJson(upstream, url, Releases, { headers });
  return all.filter(({ draft, prerelease }) => !draft && !prerelease);
}
