import { uncompress } from "snappyjs";
import { downloadBytes } from "../../util/download/bytes.ts";
import { SourceError } from "../../util/download/source.ts";
import type { ReleaseAttestations, StoredRelease } from "../store.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";

/** The largest attestation that is read, bytes: 1000 assets make 200 kB. */
const MOST = 2 << 20;

/**
 * What GitHub attests of a published release: of what its tag points to, as `gh release verify` asks for it.
 *
 * GitHub answers with the address of each bundle, which has it compressed with snappy, and in earlier versions of the API
 * with the bundle itself. The address is signed, and is asked without the token.
 * @throws GitHubError if the tag or a bundle cannot be read
 */
export async function attestationsOf(
  github: GitHubClient,
  { tag }: StoredRelease,
): Promise<ReleaseAttestations> {
  const { octokit, repo, repository } = github;
  const { data: ref } = await octokit.rest.git.getRef({ ...repo, ref: `tags/${tag}` });
  const object = ref.object.sha;
  const digest = `${object.length === 64 ? "sha256" : "sha1"}:${object}`;
  return { repository, object, bundles: await bundlesOf(github, digest, "release") };
}

/**
 * What the runs of workflows have attested of the origin of a file, as sigstore bundles (JSON). Empty if it has none. Who
 * signed them is not verified.
 * @throws GitHubError if a bundle cannot be read
 */
export const provenanceOf = async (github: GitHubClient, sha256: string): Promise<string[]> =>
  await bundlesOf(github, `sha256:${sha256}`, "provenance");

async function bundlesOf(github: GitHubClient, digest: string, predicate: string): Promise<string[]> {
  const bundles: string[] = [];
  for (const { bundle, bundle_url: url } of await listAttestations(github, digest, predicate)) {
    if (bundle) bundles.push(JSON.stringify(bundle));
    else if (url) bundles.push(await download(github, url));
  }
  return bundles;
}

async function listAttestations({ octokit, repo }: GitHubClient, digest: string, predicate: string) {
  try {
    const { data } = await octokit.rest.repos.listAttestations({
      ...{ ...repo, subject_digest: digest, predicate_type: predicate, per_page: 100 },
    });
    return data.attestations ?? [];
  } catch (error) {
    if (error instanceof GitHubError && error.status === 404) return [];
    throw error;
  }
}

async function download({ run, patience }: GitHubClient, url: string): Promise<string> {
  try {
    const packed = await downloadBytes({ from: { kind: "address", url }, most: MOST, patience }, run);
    return Buffer.from(uncompress(packed, MOST)).toString("utf8");
  } catch (cause) {
    run.signal.throwIfAborted();
    const why =
      cause instanceof SourceError ? cause.problem : "it is not compressed with snappy, or too large";
    // The query of the address has a key.
    const host = URL.canParse(url) ? new URL(url).host : "an address that is none";
    throw new GitHubError(`GitHub's attestation cannot be read from ${host} (${why})`, {
      ...{ code: "github-unavailable", fix: "run the same command again", cause },
    });
  }
}
