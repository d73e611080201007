import { createHash } from "node:crypto";
import semver from "semver";
import { z } from "zod";
import { IMAGE_DIGEST } from "../../schema/digest.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { type Answer, ask, parsed } from "./http.ts";

/** A repository of container images: https://github.com/opencontainers/distribution-spec/blob/main/spec.md */
export interface ImageName {
  /** The part of the image's name before the tag: `ghcr.io/astral-sh/uv`. */
  readonly name: string;
  readonly tag: string;
  /** `sha256:…`. */
  readonly digest: string;
}

/** The parts of `name:tag@sha256:…`; undefined for a reference without a tag. */
export function imageName(reference: string): ImageName | undefined {
  const [, name, tag, digest] = /^(.+):([\w.-]+)@(.+)$/.exec(reference) ?? [];
  if (name === undefined || tag === undefined || digest === undefined) return undefined;
  return { name, tag, digest };
}

const INDEX = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** The longest list of tags that is read, pages. */
const PAGES = 50;

const Digest = z.string().regex(IMAGE_DIGEST);
const Index = z.object({
  manifests: z.array(
    z.object({
      digest: Digest,
      platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
    }),
  ),
});
const Manifest = z.object({ config: z.object({ digest: Digest }) });
const Config = z.object({ created: z.iso.datetime({ offset: true }) });
const Tags = z.object({ tags: z.array(z.string()).nullable() });
const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** One repository of a registry, with the token that it asks for. */
export class Repository {
  readonly #upstream: Upstream;
  readonly #base: string;
  #token: string | undefined;

  /** @param name `ubuntu`, `ghcr.io/astral-sh/uv`, `localhost:5000/image` */
  constructor(upstream: Upstream, name: string) {
    this.#upstream = upstream;
    const [first = "", ...rest] = name.split("/");
    const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first);
    // As Docker does it: a registry on loopback is asked without TLS.
    const scheme = /^(localhost|127\.[\d.]+)(:|$)/.test(first) ? "http" : "https";
    const repository = hasHost ? rest.join("/") : name.includes("/") ? name : `library/${name}`;
    const origin = hasHost ? `${scheme}://${first}` : upstream.addresses.dockerHub;
    this.#base = `${origin}/v2/${repository}`;
  }

  /** The digest that a tag has now. @throws Unknown */
  async digestOf(tag: string): Promise<string> {
    const { headers } = await this.#ask(`/manifests/${tag}`, INDEX, "HEAD");
    const digest = headers.get("docker-content-digest") ?? "";
    if (!IMAGE_DIGEST.test(digest)) {
      throw new Unknown(
        `${this.#base}/manifests/${tag}`,
        "the answer has no sha256 in Docker-Content-Digest",
      );
    }
    return digest;
  }

  /** The tags that are a version and no prerelease. @throws Unknown */
  async versions(): Promise<string[]> {
    const tags: string[] = [];
    let path: string | undefined = "/tags/list?n=1000";
    for (let page = 0; path !== undefined && page < PAGES; page++) {
      const answer: Answer = await this.#ask(path, ["application/json"]);
      tags.push(...(parsed(`${this.#base}${path}`, Tags, answer.bytes.toString("utf8")).tags ?? []));
      const query: string | undefined = /<[^>]*\?([^>]*)>;\s*rel="?next"?/.exec(
        answer.headers.get("link") ?? "",
      )?.[1];
      path = query === undefined ? undefined : `/tags/list?${query}`;
    }
    if (path !== undefined) throw new Unknown(this.#base, `it has more than ${PAGES} pages of tags`);
    return tags.filter((tag) => semver.valid(tag) !== null && semver.prerelease(tag) === null);
  }

  /**
   * When an image was made, by its digest, and the archs that it is for. The bytes are checked against the digest.
   * @throws Unknown
   */
  async describe(digest: string): Promise<{ archs: string[]; created: Date }> {
    const { manifests } = await this.#blob(`/manifests/${digest}`, digest, INDEX, Index);
    const linux = manifests.filter(({ platform }) => platform?.os === "linux");
    const first = linux.find(({ platform }) => platform?.architecture === "amd64") ?? linux[0];
    if (first === undefined)
      throw new Unknown(`${this.#base}/manifests/${digest}`, "it is an index without images");
    const { config } = await this.#blob(`/manifests/${first.digest}`, first.digest, MANIFEST, Manifest);
    const { created } = await this.#blob(`/blobs/${config.digest}`, config.digest, ["*/*"], Config);
    return { archs: linux.map(({ platform }) => platform!.architecture), created: new Date(created) };
  }

  async #blob<T>(path: string, digest: string, accept: readonly string[], schema: z.ZodType<T>): Promise<T> {
    const { bytes } = await this.#ask(path, accept);
    const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (actual !== digest) throw new Unknown(`${this.#base}${path}`, `its digest is ${actual}`);
    return parsed(`${this.#base}${path}`, schema, bytes.toString("utf8"));
  }

  async #ask(path: string, accept: readonly string[], method: "GET" | "HEAD" = "GET"): Promise<Answer> {
    const url = `${this.#base}${path}`;
    const question = () => ({
      method,
      headers: {
        accept: accept.join(", "),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      },
    });
    const answer = await ask(this.#upstream, url, { ...question(), statuses: [200, 401] });
    if (answer.status === 200) return answer;
    this.#token = await this.#authorise(url, answer.headers.get("www-authenticate") ?? "");
    return await ask(this.#upstream, url, question());
  }

  /** The token that the registry names in its challenge: https://distribution.github.io/distribution/spec/auth/token/ */
  async #authorise(url: string, challenge: string): Promise<string> {
    const fields = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value!]),
    );
    const realm = fields.get("realm") ?? "";
    if (!/^Bearer /i.test(challenge) || !URL.canParse(realm) || !/^https?:/.test(realm)) {
      throw new Unknown(url, "the registry asks for a password");
    }
    const address = new URL(realm);
    for (const field of ["service", "scope"]) {
      const value = fields.get(field);
      if (value !== undefined) address.searchParams.set(field, value);
    }
    const answer = await ask(this.#upstream, address.href);
    const { token, access_token } = parsed(realm, Token, answer.bytes.toString("utf8"));
    const given = token ?? access_token;
    if (given === undefined) throw new Unknown(realm, "the answer has no token");
    return given;
  }
}
