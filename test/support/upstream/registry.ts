import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

interface Image {
  readonly created: string;
  /** @default both */
  readonly archs?: readonly string[];
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const TOKEN = "let-me-in";

/**
 * A registry of container images on loopback, as far as a client without an account reads it: the token that it asks for,
 * manifests by tag and digest, configurations, and tags in pages of two.
 */
export class Registry {
  host = "";
  /** `GET /v2/…`, in order. */
  readonly requests: string[] = [];
  /** The digest that it tells for a tag, where it is another than that of the bytes. */
  told: string | undefined;
  /** What it adds to the bytes that it sends. */
  added = "";
  /** Whether each page of tags names a next one. */
  endless = false;
  /** Whether it hands out tokens. */
  open = true;
  readonly #tags = new Map<string, string>();
  readonly #blobs = new Map<string, { type: string; text: string }>();

  static async start(): Promise<Registry> {
    const registry = new Registry();
    const http = createServer((request, response) => {
      const answer = registry.#answer(request.url ?? "", request.headers.authorization);
      registry.requests.push(`${request.method} ${request.url}`);
      response.writeHead(answer.status, answer.headers);
      response.end(request.method === "HEAD" ? undefined : answer.text);
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    registry.host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
    onTestFinished(() => {
      http.closeAllConnections();
      http.close();
    });
    return registry;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** Points a tag at an image. @returns its reference below `name` */
  push(name: string, tag: string, { created, archs = ["amd64", "arm64"] }: Image): string {
    const manifests = archs.map((architecture) => {
      const config = this.#keep("application/json", { created, architecture, tag });
      const digest = this.#keep(MANIFEST, { schemaVersion: 2, config: { digest: config } });
      return { digest, platform: { os: "linux", architecture } };
    });
    const digest = this.#keep(INDEX, { schemaVersion: 2, manifests });
    this.#tags.set(tag, digest);
    return `${name}:${tag}@${digest}`;
  }

  #keep(type: string, content: unknown): string {
    const text = JSON.stringify(content);
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    this.#blobs.set(digest, { type, text });
    return digest;
  }

  #answer(url: string, authorization: string | undefined): Answer {
    if (url.startsWith("/token?")) return json({ token: this.open ? TOKEN : "another" });
    if (authorization !== `Bearer ${TOKEN}`) {
      const scope = 'scope="repository:library/image:pull"';
      const challenge = `Bearer realm="${this.url}/token",service="test",${scope}`;
      return { status: 401, headers: { "www-authenticate": challenge }, text: "{}" };
    }
    const { pathname, searchParams } = new URL(url, this.url);
    if (pathname.endsWith("/tags/list")) return this.#list(pathname, searchParams.get("last") ?? "");
    const name = pathname.split("/").at(-1)!;
    const digest = this.#tags.get(name) ?? name;
    const blob = this.#blobs.get(digest);
    if (blob === undefined)
      return { status: 404, headers: {}, text: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' };
    const told = this.#tags.has(name) ? (this.told ?? digest) : digest;
    return {
      status: 200,
      headers: { "content-type": blob.type, "docker-content-digest": told },
      text: blob.text + this.added,
    };
  }

  #list(path: string, last: string): Answer {
    const all = [...this.#tags.keys()].sort();
    const rest = all.filter((tag) => tag > last);
    const page = rest.slice(0, 2);
    const next =
      rest.length > 2 || this.endless
        ? { link: `<${path}?last=${page.at(-1) ?? last}&n=2>; rel="next"` }
        : {};
    return { ...json({ name: "library/image", tags: page }), headers: next };
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}
const json = (body: unknown): Answer => ({ status: 200, headers: {}, text: JSON.stringify(body) });
