import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { tempDirectory } from "./run.ts";

/** A request that a fake engine got, without the version in front of the path. */
export interface EngineRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/**
 * What the engine answers: a status and a value, sent as JSON (an array: as the stream of JSON lines that
 * build, pull and import send). `never` keeps the caller waiting; undefined is 404, as for a missing image.
 */
export type Answer = { readonly status?: number; readonly json?: unknown } | "never" | undefined;

export interface Engine {
  /** For DOCKER_HOST. */
  readonly host: string;
  readonly requests: EngineRequest[];
}

/** An engine that speaks the documented HTTP API on a socket of the running test alone. */
export async function startEngine(answer: (request: EngineRequest) => Answer): Promise<Engine> {
  const socket = join(tempDirectory(), "docker.sock");
  const requests: EngineRequest[] = [];
  const server = createServer((incoming, response) => {
    void parse(incoming).then((request) => {
      requests.push(request);
      respond(response, defaults(request) ?? answer(request));
    });
  });
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
    path: url.pathname.replace(/^\/v[0-9.]+(?=\/)/, ""),
    query: url.searchParams,
    body: await buffer(incoming),
  };
}

/** An engine that is well answers a ping with this. */
const defaults = ({ path }: EngineRequest): Answer => (path === "/_ping" ? { json: "OK" } : undefined);

function respond(response: ServerResponse, answer: Answer): void {
  if (answer === "never") return;
  const { status = 200, json } = answer ?? { status: 404, json: { message: "no such thing" } };
  response.writeHead(status, { "content-type": "application/json" });
  response.end(status === 204 ? "" : JSON.stringify(json));
}

/** The JSON lines of a build, a pull or an import. */
export const jsonLines = (events: readonly object[]) => events.map((event) => JSON.stringify(event)).join("\r\n");
