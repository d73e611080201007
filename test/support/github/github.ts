import { createHash } from "node:crypto";
import type { components } from "@octokit/openapi-types";

export type ApiRelease = components["schemas"]["release"];
export type ApiAsset = components["schemas"]["release-asset"];

/** An asset as the server holds it. */
export interface HeldAsset {
  readonly id: number;
  readonly name: string;
  /** The header that it was uploaded with. */
  readonly contentType: string | undefined;
  /** `open` in the description of the API; what a dead upload leaves is `starter` on the real one. */
  state: "uploaded" | "open" | "starter";
  bytes: Buffer;
  /** The bytes whose digest is told, where those are others. */
  told?: Buffer;
  /** How many more lists it is missing from. */
  hidden: number;
  /** How many more answers do not tell its digest. */
  untold: number;
}

export interface HeldRelease {
  readonly id: number;
  tag: string;
  /** Its title. */
  readonly name: string;
  draft: boolean;
  body: string | null;
  /** The commit or branch that its tag will point to. */
  commit: string;
  makeLatest: string | undefined;
  assets: HeldAsset[];
  hidden: number;
}

export interface HeldPull {
  readonly number: number;
  readonly head: string;
  readonly base: string;
  title: string;
  body: string;
  open: boolean;
}

export interface HeldIssue {
  readonly number: number;
  title: string;
  body: string;
  labels: readonly string[];
  open: boolean;
}

export interface HeldComment {
  readonly id: number;
  /** Of a pull request. */
  readonly number: number;
  readonly user: string;
  body: string;
}

/** A commit by its identifier, which here is that of its files. */
export interface HeldCommit {
  readonly sha: string;
  readonly message: string;
  readonly parents: readonly string[];
}

/** An attestation as the server holds it. */
export interface HeldAttestation {
  /** What it is listed for: `sha1:…`. */
  readonly digest: string;
  /** @default "release" */
  readonly predicate?: "release" | "provenance";
  /** A sigstore bundle, JSON. */
  readonly bundle: string;
  /** Told in the list itself, as earlier versions of the API did, and not by its address. */
  readonly inline?: boolean;
}

type Access = "none" | "read" | "write";
export interface Permissions {
  readonly contents: Access;
  readonly pull_requests: Access;
  /** @default "none" */
  readonly issues?: Access;
}

/** GitHub's state: one repository, its releases, its branches and pull requests, and who may do what. */
export class GitHub {
  readonly repository = "example/images";
  readonly releases: HeldRelease[] = [];
  /** Assets that a request has removed. */
  readonly removed: HeldAsset[] = [];
  readonly pulls: HeldPull[] = [];
  readonly issues: HeldIssue[] = [];
  readonly comments: HeldComment[] = [];
  /** branch -> path -> text. */
  readonly branches = new Map<string, Record<string, string>>([["main", {}]]);
  /** branch -> its commit, where that is not the one of its files. */
  readonly heads = new Map<string, string>();
  readonly commits = new Map<string, Record<string, string>>();
  /** tag -> commit. A release that is published makes its tag, unless it exists. */
  readonly tags = new Map<string, string>();
  readonly attestations: HeldAttestation[] = [];
  /** What was committed, in order. */
  readonly log: HeldCommit[] = [];
  readonly trees = new Map<string, Record<string, string>>();
  readonly tokens = new Map<string, Permissions>([
    ["good", { contents: "write", pull_requests: "write", issues: "write" }],
  ]);
  /** A setting of the repository: a release that is published takes no more uploads, and says that it is immutable. */
  immutable = false;
  /** Whether Actions may open pull requests: a setting of the repository. */
  pullsAllowed = true;
  /** How far its clock is from this machine's, ms. */
  clockMs = 0;
  #lastId = 100;

  nextId(): number {
    return ++this.#lastId;
  }

  addRelease(tag: string, props: Partial<HeldRelease> = {}): HeldRelease {
    const release: HeldRelease = {
      id: this.nextId(),
      tag,
      name: tag,
      draft: true,
      body: "",
      commit: "main",
      makeLatest: undefined,
      assets: [],
      hidden: 0,
      ...props,
    };
    this.releases.push(release);
    return release;
  }

  addAsset(
    release: HeldRelease,
    name: string,
    bytes: Buffer | string,
    props: Partial<HeldAsset> = {},
  ): HeldAsset {
    const asset: HeldAsset = {
      id: this.nextId(),
      name,
      bytes: Buffer.from(bytes),
      contentType: undefined,
      state: "uploaded",
      hidden: 0,
      untold: 0,
      ...props,
    };
    release.assets.push(asset);
    return asset;
  }

  /** The attestations of where a file comes from, instead of those that there are. */
  setProvenance(sha256: string, bundles: readonly string[]): void {
    const digest = `sha256:${sha256}`;
    const others = this.attestations.filter((each) => each.digest !== digest);
    const own = bundles.map((bundle) => ({ digest, bundle, predicate: "provenance" as const }));
    this.attestations.splice(0, this.attestations.length, ...others, ...own);
  }

  release(id: number): HeldRelease | undefined {
    return this.releases.find((release) => release.id === id);
  }

  asset(id: number): { release: HeldRelease; asset: HeldAsset } | undefined {
    for (const release of this.releases) {
      const asset = release.assets.find((each) => each.id === id);
      if (asset) return { release, asset };
    }
    return undefined;
  }

  /** The bytes of every finished asset of a release, by name. */
  contents(release: HeldRelease): Record<string, string> {
    return Object.fromEntries(
      release.assets
        .filter(({ state }) => state === "uploaded")
        .map(({ name, bytes }) => [name, bytes.toString()]),
    );
  }
}

const user = null as unknown as ApiRelease["author"];
const NOW = "2026-11-21T00:00:00Z";

/** What the API says of an asset. */
export function describeAsset(asset: HeldAsset, api: string, repository: string): ApiAsset {
  const told = asset.state === "uploaded" && asset.untold <= 0;
  asset.untold--;
  return {
    url: `${api}/repos/${repository}/releases/assets/${asset.id}`,
    browser_download_url: `https://github.com/${repository}/releases/download/${asset.name}`,
    id: asset.id,
    node_id: `A_${asset.id}`,
    name: asset.name,
    label: null,
    state: asset.state as ApiAsset["state"],
    content_type: "application/octet-stream",
    size: asset.bytes.length,
    digest: told
      ? `sha256:${createHash("sha256")
          .update(asset.told ?? asset.bytes)
          .digest("hex")}`
      : null,
    download_count: 0,
    created_at: NOW,
    updated_at: NOW,
    uploader: null,
  };
}

/** What the API says of a release. */
export function describeRelease(
  release: HeldRelease,
  { api, uploads, github }: { api: string; uploads: string; github: GitHub },
): ApiRelease {
  const { repository } = github;
  const url = `${api}/repos/${repository}/releases/${release.id}`;
  return {
    url,
    html_url: `https://github.com/${repository}/releases/${release.draft ? `untagged-${release.id}` : `tag/${release.tag}`}`,
    assets_url: `${url}/assets`,
    upload_url: `${uploads}/repos/${repository}/releases/${release.id}/assets{?name,label}`,
    tarball_url: null,
    zipball_url: null,
    id: release.id,
    node_id: `R_${release.id}`,
    tag_name: release.tag,
    target_commitish: release.commit,
    name: release.name,
    body: release.body,
    draft: release.draft,
    immutable: github.immutable && !release.draft,
    prerelease: false,
    created_at: NOW,
    published_at: release.draft ? null : NOW,
    author: user,
    assets: release.assets.map((asset) => describeAsset({ ...asset }, api, repository)),
  };
}
