import { createHash, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { RestEndpointMethodTypes } from "@octokit/rest";
import { PipelineError } from "../../schema/error.ts";
import type { Facts } from "../../schema/facts.ts";
import type { DirectoryStore } from "../directory-store.ts";
import { isPublished } from "../outgoing.ts";
import type { Outgoing, ReleaseStore, Sent, StoredAsset, StoredRelease } from "../store.ts";
import type { GitHubClient } from "./client.ts";
import { GitHubError } from "./failure.ts";
import { upload } from "./upload.ts";

type ApiRelease = RestEndpointMethodTypes["repos"]["getRelease"]["response"]["data"];
type ApiAsset = RestEndpointMethodTypes["repos"]["getReleaseAsset"]["response"]["data"];

/** In the text of a draft that `prepare` has made: it is looked for by what follows. */
const MARK = "<!-- prepared";

/** The releases of one repository on GitHub. */
export class GitHubReleases implements ReleaseStore {
  readonly isPublic = true;
  readonly name: string;
  readonly #github: GitHubClient;
  /** The commit that a tag is put on when its release is published. */
  readonly #commit: string | undefined;

  constructor(github: GitHubClient, commit?: string) {
    this.#github = github;
    this.#commit = commit;
    this.name = `${github.repository} on GitHub`;
  }

  get #repos() {
    return this.#github.octokit.rest.repos;
  }

  get #repo() {
    return this.#github.repo;
  }

  async prepare(tag: string): Promise<StoredRelease> {
    const found = await this.find(tag);
    if (found?.state === "published") throw isPublished(tag, this.name);
    return found ?? (await this.#create(tag));
  }

  async open(id: string): Promise<StoredRelease & { readonly uploadUrl: string }> {
    if (!/^[1-9]\d*$/.test(id)) throw new PipelineError(`--release-id "${id}" is not a release's number`);
    try {
      const { data } = await this.#repos.getRelease({ ...this.#repo, release_id: Number(id) });
      return { ...storedRelease(data), uploadUrl: data.upload_url };
    } catch (error) {
      if (!(error instanceof GitHubError) || error.status !== 404) throw error;
      throw new PipelineError(
        `there is no release ${id} on ${this.name}, or the token may not see drafts: \`npm run release -- prepare\` ` +
          "prints the id of the draft; a token needs `contents: write`",
        { cause: error },
      );
    }
  }

  /** A draft is not found by its tag: GitHub keeps it from `releases/tags`. */
  async find(tag: string): Promise<StoredRelease | undefined> {
    const ours = (await this.#all()).filter((release) => tagOf(release) === tag);
    const published = ours.find(({ draft }) => !draft);
    if (published) return storedRelease(published);
    return ours.length > 0 ? await this.#only(tag, ours) : undefined;
  }

  async list(): Promise<StoredRelease[]> {
    return (await this.#all()).map(storedRelease);
  }

  async assets(release: StoredRelease, expected: readonly string[] = []): Promise<StoredAsset[]> {
    for (let poll = 1; ; poll++) {
      const assets = await this.#assets(release);
      const finished = new Set(assets.filter(({ complete }) => complete).map(({ name }) => name));
      const missing = expected.filter((name) => !finished.has(name));
      if (missing.length === 0 || poll > this.#github.patience.polls) return assets;
      this.#github.run.progress.step(
        `wait for GitHub's list, which lacks ${missing.length} of ${expected.length} assets`,
      );
      await this.#github.pause(poll);
    }
  }

  async #assets(release: StoredRelease): Promise<StoredAsset[]> {
    const assets = await this.#github.octokit.paginate(this.#repos.listReleaseAssets, {
      ...this.#repo,
      release_id: Number(release.id),
      per_page: 100,
    });
    return assets.map(storedAsset);
  }

  async digest(asset: StoredAsset): Promise<string> {
    return asset.sha256 ?? (await this.hash(asset));
  }

  async hash({ id, name }: StoredAsset): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { data } = await this.#github.octokit.request(
          "GET /repos/{owner}/{repo}/releases/assets/{asset_id}",
          {
            ...this.#repo,
            asset_id: Number(id),
            headers: { accept: "application/octet-stream" },
            request: { parseSuccessResponseBody: false },
          },
        );
        const hash = createHash("sha256");
        const body = Readable.fromWeb(data as unknown as import("node:stream/web").ReadableStream);
        await pipeline(body, hash, { signal: this.#github.run.signal });
        return hash.digest("hex");
      } catch (error) {
        this.#github.run.signal.throwIfAborted();
        if (error instanceof GitHubError) throw error;
        const cut = new GitHubError(`the download of ${name} broke off (${(error as Error).message})`, {
          transient: true,
          cause: error,
        });
        if (!(await this.#github.wait(cut, attempt))) throw cut;
      }
    }
  }

  async send(release: StoredRelease, file: Outgoing): Promise<Sent> {
    return await upload(this.#github, this, release, file);
  }

  async sendStaged(release: StoredRelease, staged: DirectoryStore, facts: Facts): Promise<Sent> {
    return await this.send(release, await staged.outgoing(facts, this.#github.run));
  }

  async discard(release: StoredRelease, { id }: StoredAsset): Promise<void> {
    if (release.state === "published") throw isPublished(release.tag, this.name);
    await gone(this.#repos.deleteReleaseAsset({ ...this.#repo, asset_id: Number(id) }));
  }

  /** A PATCH can drop a draft's tag, so what it has done is read again. */
  async publish(release: StoredRelease): Promise<StoredRelease> {
    for (let attempt = 1; ; attempt++) {
      const { data } = await this.#repos.getRelease({ ...this.#repo, release_id: Number(release.id) });
      if (!data.draft && data.tag_name === release.tag) break;
      if (attempt > this.#github.patience.attempts) {
        throw new PipelineError(
          `${release.tag} does not become public under its tag on ${this.name}: look at ${data.html_url}, and run the ` +
            "same command again",
        );
      }
      await this.#repos.updateRelease({
        ...this.#repo,
        release_id: Number(release.id),
        tag_name: release.tag,
        draft: false,
        // The latest release of the repository is the software's, not its images'.
        make_latest: "false",
      });
    }
    // What stale lists have kept from `prepare`.
    const drafts = (await this.#all()).filter((other) => other.draft && tagOf(other) === release.tag);
    for (const twin of await this.#empty(drafts)) await this.remove(twin);
    return await this.open(release.id);
  }

  async remove({ id }: StoredRelease): Promise<void> {
    await gone(this.#repos.deleteRelease({ ...this.#repo, release_id: Number(id) }));
  }

  async #all(): Promise<ApiRelease[]> {
    return await this.#github.octokit.paginate(this.#repos.listReleases, { ...this.#repo, per_page: 100 });
  }

  /**
   * A POST whose answer is lost may have created its draft all the same, which a stale list does not show at once:
   * the draft carries a mark, and is looked for by it before there is another.
   */
  async #create(tag: string): Promise<StoredRelease> {
    const mark = `${MARK} ${randomUUID()} -->`;
    let created: ApiRelease | undefined;
    for (let attempt = 1; created === undefined; attempt++) {
      try {
        const request = {
          ...this.#repo,
          tag_name: tag,
          name: tag,
          draft: true,
          body: `Root file systems and kernels; \`manifest.json\` says which is which.\n\n${mark}`,
          ...(this.#commit ? { target_commitish: this.#commit } : {}),
          request: { once: true },
        };
        created = (await this.#repos.createRelease(request)).data;
      } catch (error) {
        if (!(await this.#github.wait(error, attempt))) throw error;
        created = await this.#marked(mark);
      }
    }
    const others = (await this.#all()).filter(
      (release) => tagOf(release) === tag && release.id !== created.id,
    );
    return await this.#only(tag, [created, ...others]);
  }

  async #marked(mark: string): Promise<ApiRelease | undefined> {
    for (let poll = 1; poll <= this.#github.patience.polls; poll++) {
      const found = (await this.#all()).find(({ body }) => body?.includes(mark));
      if (found) return found;
      await this.#github.pause(poll);
    }
    return undefined;
  }

  /**
   * The one draft of a tag. Where lists were stale, `prepare` has made more than one: of those that are empty and
   * marked, one is enough. @throws PipelineError when a person must decide
   */
  async #only(tag: string, drafts: readonly ApiRelease[]): Promise<StoredRelease> {
    if (drafts.length === 1) return storedRelease(drafts[0]!);
    const empty = await this.#empty(drafts);
    const full = drafts.map(storedRelease).filter(({ id }) => !empty.some((each) => each.id === id));
    const [kept, ...surplus] = [...full, ...empty];
    if (!kept || full.length > 1) throw this.#severalDrafts(tag, drafts.map(storedRelease));
    for (const release of surplus) await this.remove(release);
    return kept;
  }

  /** Those that `prepare` has made and nobody has used, oldest first. */
  async #empty(drafts: readonly ApiRelease[]): Promise<StoredRelease[]> {
    const empty: StoredRelease[] = [];
    for (const draft of drafts.filter(({ body }) => body?.includes(MARK)).toSorted((a, b) => a.id - b.id)) {
      const release = storedRelease(draft);
      if ((await this.#assets(release)).length === 0) empty.push(release);
    }
    return empty;
  }

  #severalDrafts(tag: string, drafts: readonly StoredRelease[]): PipelineError {
    return new PipelineError(
      `${this.name} has ${drafts.length} drafts for ${tag}, and one is needed: remove all but one of them`,
      {
        details: drafts.map(
          ({ id, url }) => `- gh api -X DELETE repos/${this.#github.repository}/releases/${id}   # ${url}`,
        ),
      },
    );
  }
}

/** What is not there any more has been removed. */
async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 404) throw error;
  }
}

/** A release that has lost its tag still has its name. */
const tagOf = ({ tag_name: tag, name }: ApiRelease) => (tag.startsWith("untagged-") && name ? name : tag);

const storedRelease = (release: ApiRelease): StoredRelease => ({
  id: String(release.id),
  tag: tagOf(release),
  state: release.draft ? "draft" : "published",
  url: release.html_url,
});

export const storedAsset = ({ id, name, size, state, digest }: ApiAsset): StoredAsset => ({
  id: String(id),
  name,
  size,
  sha256: /^sha256:([0-9a-f]{64})$/.exec(digest ?? "")?.[1],
  complete: state === "uploaded",
});
