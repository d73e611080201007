import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Facts } from "../../schema/facts.ts";
import { PipelineError } from "../../util/error.ts";
import type { StagingDirectory } from "../directory/staging.ts";
import { isPublished } from "../outgoing.ts";
import type {
  Copied,
  Outgoing,
  ReleaseAttestations,
  ReleaseStore,
  Sent,
  StoredAsset,
  StoredRelease,
} from "../store.ts";
import { type ApiRelease, allReleases, gone, listAssets, storedRelease, tagOf } from "./api.ts";
import { attestationsOf } from "./attestations.ts";
import { Checked } from "./checked.ts";
import type { GitHubClient } from "./client.ts";
import { chooseDraft, createDraft, describeDraft, unusedDrafts } from "./drafts.ts";
import { GitHubError } from "./failure.ts";
import { checkTag, pointDraft } from "./tag.ts";
import { BUFFER, upload } from "./upload.ts";

/** The releases of one repository on GitHub. */
export class GitHubReleases implements ReleaseStore {
  readonly isPublic = true;
  readonly name: string;
  readonly #github: GitHubClient;
  /** The commit that the tag points to once the release is published. */
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
    const found = await this.#of(tag);
    if (found.published) throw isPublished(tag, this.name);
    if (this.#commit) await checkTag(this.#github, tag, this.#commit);
    const drafts =
      found.drafts.length > 0 ? found.drafts : await createDraft(this.#github, tag, this.#commit);
    const { kept, surplus } = await chooseDraft(this.#github, tag, drafts);
    for (const release of surplus) await this.remove(release);
    if (this.#commit) await pointDraft(this.#github, kept, this.#commit);
    return kept;
  }

  async open(id: string): Promise<StoredRelease & { readonly uploadUrl: string }> {
    if (!/^[1-9]\d*$/.test(id))
      throw new PipelineError(`--release-id "${id}" is not the number of a release`);
    try {
      const { data } = await this.#repos.getRelease({ ...this.#repo, release_id: Number(id) });
      return { ...storedRelease(data), uploadUrl: data.upload_url };
    } catch (error) {
      if (!(error instanceof GitHubError) || error.status !== 404) throw error;
      throw new PipelineError(`there is no release ${id} on ${this.name}, or the token may not see drafts`, {
        code: "github-not-found",
        fix: "`npx smolvm-images release prepare` prints the id of the draft; a token needs `contents: write`",
        cause: error,
      });
    }
  }

  /** Searches the list of releases, because GitHub's `releases/tags` does not return drafts. */
  async find(tag: string): Promise<StoredRelease | undefined> {
    const { published, drafts } = await this.#of(tag);
    if (published) return storedRelease(published);
    return drafts.length > 0 ? (await chooseDraft(this.#github, tag, drafts)).kept : undefined;
  }

  async #of(tag: string): Promise<{ published: ApiRelease | undefined; drafts: ApiRelease[] }> {
    const ours = (await allReleases(this.#github)).filter((release) => tagOf(release) === tag);
    return { published: ours.find(({ draft }) => !draft), drafts: ours.filter(({ draft }) => draft) };
  }

  async list(): Promise<StoredRelease[]> {
    return (await allReleases(this.#github)).map(storedRelease);
  }

  async assets(release: StoredRelease, expected: readonly string[] = []): Promise<StoredAsset[]> {
    for (let poll = 1; ; poll++) {
      const assets = await listAssets(this.#github, release);
      const finished = new Set(assets.filter(({ complete }) => complete).map(({ name }) => name));
      const missing = expected.filter((name) => !finished.has(name));
      if (missing.length === 0 || poll > this.#github.patience.polls) return assets;
      this.#github.run.progress.step(
        `wait until GitHub lists all assets: ${missing.length} of ${expected.length} are missing`,
      );
      await this.#github.pause(poll);
    }
  }

  async digest(asset: StoredAsset): Promise<string> {
    return asset.sha256 ?? (await this.hash(asset));
  }

  async hash(asset: StoredAsset): Promise<string> {
    return await this.#github.retry(async () => {
      const hash = createHash("sha256");
      try {
        await pipeline(await this.#read(asset), hash, { signal: this.#github.run.signal });
      } catch (error) {
        throw this.#brokenOff(asset, error);
      }
      return hash.digest("hex");
    });
  }

  /** The bytes of an asset. */
  async #read({ id }: StoredAsset): Promise<Readable> {
    const { data } = await this.#github.octokit.request(
      "GET /repos/{owner}/{repo}/releases/assets/{asset_id}",
      {
        ...this.#repo,
        asset_id: Number(id),
        headers: { accept: "application/octet-stream" },
        request: { parseSuccessResponseBody: false },
      },
    );
    return Readable.fromWeb(data as unknown as import("node:stream/web").ReadableStream);
  }

  /** The error for a download that failed. */
  #brokenOff({ name }: StoredAsset, error: unknown): unknown {
    this.#github.run.signal.throwIfAborted();
    if (error instanceof PipelineError) return error;
    return new GitHubError(`the download of ${name} broke off (${(error as Error).message})`, {
      ...{ code: "github-unavailable", fix: "run the same command again", transient: true, cause: error },
    });
  }

  async attestations(release: StoredRelease): Promise<ReleaseAttestations> {
    return await attestationsOf(this.#github, release);
  }

  async send(release: StoredRelease, file: Outgoing): Promise<Sent> {
    const read = () => createReadStream(file.path, BUFFER);
    return await upload(this.#github, this, release, { ...file, read });
  }

  async save({ from, ...file }: Copied, path: string): Promise<void> {
    await this.#github.retry(async () => {
      try {
        const checked = new Checked(file, this.name);
        const { signal } = this.#github.run;
        await pipeline(await this.#read(from), checked, createWriteStream(path), { signal });
      } catch (error) {
        throw this.#brokenOff(from, error);
      }
    });
  }

  async copy(release: StoredRelease, { from, ...file }: Copied): Promise<Sent> {
    const read = async () => {
      const checked = new Checked(file, this.name);
      const source = await this.#read(from);
      source.once("error", (error) => checked.destroy(this.#brokenOff(from, error) as Error));
      checked.once("close", () => source.destroy());
      return source.pipe(checked);
    };
    return await upload(this.#github, this, release, { ...file, read });
  }

  async sendStaged(release: StoredRelease, staged: StagingDirectory, facts: Facts): Promise<Sent> {
    return await this.send(release, await staged.outgoing(facts, this.#github.run));
  }

  async describe(release: StoredRelease, text: string): Promise<void> {
    await describeDraft(this.#github, release, text);
  }

  async discard(release: StoredRelease, { id }: StoredAsset): Promise<void> {
    await this.#stillDraft(release);
    await gone(this.#repos.deleteReleaseAsset({ ...this.#repo, asset_id: Number(id) }));
  }

  /** Looks again, because somebody may have published the release since. @throws PipelineError if it is published */
  async #stillDraft({ id, tag }: StoredRelease): Promise<void> {
    const now = await this.open(id).catch((error: unknown) => {
      if (error instanceof PipelineError && error.code === "github-not-found") return undefined;
      throw error;
    });
    if (now?.state === "published") throw isPublished(tag, this.name);
  }

  /**
   * Reads the release again after each PATCH, because GitHub can drop a draft's tag, and waits between its attempts, because
   * an answer can be stale.
   */
  async publish(release: StoredRelease): Promise<StoredRelease> {
    for (let attempt = 1; ; attempt++) {
      const { data } = await this.#repos.getRelease({ ...this.#repo, release_id: Number(release.id) });
      if (!data.draft && data.tag_name === release.tag) break;
      if (attempt > this.#github.patience.attempts) {
        throw new PipelineError(`${release.tag} does not become public under its tag on ${this.name}`, {
          code: "github-unavailable",
          fix: `look at ${data.html_url}, and run the same command again`,
        });
      }
      if (attempt > 1) await this.#github.pause(attempt - 1);
      await this.#repos.updateRelease({
        ...this.#repo,
        release_id: Number(release.id),
        tag_name: release.tag,
        draft: false,
        // The repository's "latest release" must stay a release of the software, not of images.
        make_latest: "false",
      });
    }
    // Empty drafts that `prepare` did not see in a stale list.
    const { drafts } = await this.#of(release.tag);
    for (const twin of await unusedDrafts(this.#github, drafts)) await this.remove(twin);
    return await this.open(release.id);
  }

  /** Removes a release. If it was a draft when it was listed, it must be one now. */
  async remove(release: StoredRelease): Promise<void> {
    const { id, state } = release;
    if (state === "draft") await this.#stillDraft(release);
    await gone(this.#repos.deleteRelease({ ...this.#repo, release_id: Number(id) }));
  }
}
