import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { tempDirectory } from "./run.ts";

/** A request that the engine got; `path` is without the version in front. */
interface EngineRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** What the engine answers. `never` keeps the caller waiting. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  /** The lines of JSON with which build, pull and import report; an error is one of them, after a 200. */
  | { readonly lines: readonly object[] }
  /** The bytes of a file, such as a saved image. */
  | { readonly bytes: Buffer }
  | "never";

export interface Engine {
  /** For DOCKER_HOST. */
  readonly host: string;
  readonly requests: EngineRequest[];
}

type Reply = (request: EngineRequest) => Answer;

const WELL = { "GET /_ping": { json: "OK" }, "GET /containers/json": { json: [] } };
const NOT_FOUND = { status: 404, json: { message: "no such thing here" } };

/**
 * An engine of the running test, on a Unix socket, that speaks the documented HTTP API: `answers` by
 * method and path, 404 for everything else. It answers a ping, and has no containers, unless told otherwise.
 */
export async function startEngine(answers: Readonly<Record<string, Answer | Reply>>): Promise<Engine> {
  const known: Readonly<Record<string, Answer | Reply>> = { ...WELL, ...answers };
  const requests: EngineRequest[] = [];
  const server = createServer((incoming, response) => {
    void parse(incoming).then((request) => {
      requests.push(request);
      const answer = known[`${request.method} ${request.path}`] ?? NOT_FOUND;
      respond(response, typeof answer === "function" ? answer(request) : answer);
    });
  });
  const socket = join(tempDirectory(), "docker.sock");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host: `unix://${socket}`, requests };
}

async function parse(incoming: IncomingMessage): Promise<EngineRequest> {
  const url = new URL(incoming.url!, "http://docker");
  return {
    method: incoming.method!,
    path: decodeURIComponent(url.pathname.replace(/^\/v[0-9.]+(?=\/)/, "")),
    query: url.searchParams,
    body: await buffer(incoming),
  };
}

function respond(response: ServerResponse, answer: Answer): void {
  if (answer === "never") return;
  if ("bytes" in answer) {
    response.end(answer.bytes);
    return;
  }
  if ("lines" in answer) {
    response.end(answer.lines.map((line) => `${JSON.stringify(line)}\r\n`).join(""));
    return;
  }
  response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
  response.end(answer.status === 204 ? undefined : JSON.stringify(answer.json));
}
