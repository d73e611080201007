import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { compress } from "snappyjs";
import { type Failure, Faults, type Operation } from "./faults.ts";
import { GitHub, type Permissions } from "./github.ts";
import { type Answer, findRoute, type Request } from "./routes.ts";

/** A GitHub on loopback: its API on one origin, uploads on a second, the bytes of assets on a third. */
export class GitHubServer {
  readonly github = new GitHub();
  readonly faults = new Faults();
  /** Every request that came in: `POST /repos/…`, in order. */
  readonly requests: string[] = [];
  readonly #servers: Server[] = [];
  #origins: string[] = [];

  static async start(): Promise<GitHubServer> {
    const server = new GitHubServer();
    for (const kind of ["api", "uploads", "objects"] as const) {
      const http = createServer((request, response) => {
        server.#serve(kind, request, response).catch((error) => {
          response.destroy();
          if (!(error instanceof Gone)) throw error;
        });
      });
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
      server.#servers.push(http);
    }
    server.#origins = server.#servers.map(
      (http) => `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    );
    return server;
  }

  get url(): string {
    return this.#origins[0]!;
  }

  async stop(): Promise<void> {
    for (const http of this.#servers) {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    }
  }

  async #serve(
    kind: "api" | "uploads" | "objects",
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const url = new URL(incoming.url ?? "/", this.url);
    this.requests.push(`${incoming.method} ${url.pathname}`);
    response.setHeader("date", new Date(Date.now() + this.github.clockMs).toUTCString());
    const route = findRoute(kind, incoming.method ?? "GET", decodeURIComponent(url.pathname));
    const authorization = /^(?:token|bearer) (.+)$/i.exec(incoming.headers.authorization ?? "")?.[1];
    if (kind === "objects") {
      // A signed address on another origin: whoever sends the token along gives it away.
      if (authorization)
        return send(response, { status: 400, body: { message: "the token was sent to a third party" } });
      const bundle = this.github.attestations[Number(/^\/bundles\/(\d+)$/.exec(url.pathname)?.[1])]?.bundle;
      if (bundle !== undefined) return send(response, { status: 200, bytes: packed(bundle) });
      const held = this.github.asset(Number(url.pathname.slice(1)));
      const failure = this.faults.take("download-asset");
      if (failure?.kind === "meanwhile") failure.act(this.github);
      if (isBefore(failure)) return this.#fail(failure, response);
      if (held && breaks(failure)) return breakOff(response, held.asset.bytes);
      return send(response, held ? { status: 200, bytes: held.asset.bytes } : NOT_FOUND);
    }
    const permissions: Permissions | undefined = authorization
      ? this.github.tokens.get(authorization)
      : { contents: "read", pull_requests: "read" };
    if (!permissions) return send(response, { status: 401, body: { message: "Bad credentials" } });
    if (!route || route.repository !== this.github.repository) return send(response, NOT_FOUND);

    const failure = this.faults.take(route.operation);
    if (failure?.kind === "meanwhile") failure.act(this.github);
    if (isBefore(failure)) return this.#fail(failure, response);
    const body = await this.#receive(route.operation, incoming, url, permissions, failure);
    if (breaks(failure)) return void response.destroy();
    const request: Request = {
      ...{ github: this.github, route, url, permissions, body, failure },
      ...{ api: this.#origins[0]!, uploads: this.#origins[1]!, objects: this.#origins[2]! },
      accept: incoming.headers.accept ?? "",
      length: incoming.headers["content-length"],
      contentType: incoming.headers["content-type"],
      authorized: authorization !== undefined,
    };
    const answer = route.handle(request);
    if (failure && "lost" in failure) return void response.destroy();
    if (isAfter(failure)) return this.#fail(failure, response);
    if (failure?.kind === "cut-answer") return cutShort(response, answer);
    if (failure?.kind === "drip") return await drip(response, answer);
    send(response, answer);
  }

  /** Reads a request's body; a broken upload leaves an asset in state `starter` behind. */
  async #receive(
    operation: Operation,
    incoming: IncomingMessage,
    url: URL,
    permissions: Permissions,
    failure: Failure | undefined,
  ): Promise<Buffer> {
    const length = Number(incoming.headers["content-length"] ?? Number.NaN);
    const broken = breaks(failure);
    const release = this.github.release(Number(url.pathname.split("/")[5]));
    if (operation === "upload-asset" && broken && release && permissions.contents === "write") {
      const name = url.searchParams.get("name") ?? "";
      if (!release.assets.some((asset) => asset.name === name)) {
        this.github.addAsset(release, name, "", { state: "starter" });
      }
    }
    const chunks: Buffer[] = [];
    let received = 0;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        received += chunk.length;
        chunks.push(chunk);
        if (broken && received >= length / 2) break;
      }
    } catch {
      throw new Gone();
    }
    return Buffer.concat(chunks);
  }

  #fail(failure: Failure, response: ServerResponse): void {
    if (failure.kind === "reset") return void response.destroy();
    if (failure.kind === "silence") return;
    if (failure.kind !== "status") return;
    const { status, headers = {}, message = "Server Error" } = failure;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    send(response, { status, body: { message } });
  }
}

/** As GitHub stores a bundle. */
const packed = (text: string): Buffer => Buffer.from(compress(Buffer.from(text)));

/** The client has gone away in the middle of its request. */
class Gone extends Error {}

const NOT_FOUND: Answer = { status: 404, body: { message: "Not Found" } };

type Timed = Extract<Failure, { when: unknown }>;
const timed = (failure: Failure | undefined): failure is Timed => failure !== undefined && "when" in failure;
const isBefore = (failure: Failure | undefined): failure is Timed =>
  timed(failure) && failure.when === "before";
const breaks = (failure: Failure | undefined) => timed(failure) && failure.when === "during";
const isAfter = (failure: Failure | undefined): failure is Timed =>
  timed(failure) && failure.when === "after";

function send(response: ServerResponse, answer: Answer): void {
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.bytes) {
    response.writeHead(answer.status, {
      "content-type": answer.headers?.["content-type"] ?? "application/octet-stream",
      "content-length": answer.bytes.length,
    });
    return void response.end(answer.bytes);
  }
  if (answer.body === undefined) return void response.writeHead(answer.status).end();
  response
    .writeHead(answer.status, { "content-type": "application/json; charset=utf-8" })
    .end(JSON.stringify(answer.body));
}

/** Sends half of the bytes, and breaks the connection. */
function breakOff(response: ServerResponse, bytes: Buffer): void {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

function cutShort(response: ServerResponse, answer: Answer): void {
  const text = JSON.stringify(answer.body ?? {});
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  response
    .writeHead(answer.status, { "content-type": "application/json; charset=utf-8" })
    .end(text.slice(0, text.length / 2));
}

async function drip(response: ServerResponse, answer: Answer): Promise<void> {
  const text = JSON.stringify(answer.body ?? {});
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  response.writeHead(answer.status, { "content-type": "application/json; charset=utf-8" });
  for (let at = 0; at < text.length; at += 200) {
    await new Promise((resolve) => response.write(text.slice(at, at + 200), resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}
