import { createHash } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What goes wrong with the next answers, one each. */
export type Trouble =
  | {
      readonly kind: "status";
      readonly status: number;
      /** The reason phrase. @default the usual one */
      readonly text?: string;
      readonly retryAfter?: string;
      /** The server's time, for the `Date` header. @default now */
      readonly date?: Date;
    }
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: "cut"; readonly after: number }
  /** The body ends early, as if it were whole. */
  | { readonly kind: "short"; readonly after: number }
  /** So many bytes of the body come, and then nothing. */
  | { readonly kind: "stall"; readonly after: number }
  /** Nobody answers. */
  | { readonly kind: "silence" };

/** An answer to `Range: bytes=START-END`. */
export interface Part {
  readonly status: number;
  /** @default no such header */
  readonly contentRange?: string | undefined;
  readonly body: Buffer;
}

/** A server of files on loopback that knows ranges and validators, and its troubles. */
export class FileServer {
  /** By path, with the slash in front. */
  readonly files = new Map<string, Buffer>();
  /** Where it redirects to, by path. */
  readonly redirects = new Map<string, string>();
  readonly troubles: Trouble[] = [];
  /** `GET /path` or `GET /path bytes=5-`, in order. */
  readonly requests: string[] = [];
  /** The headers of the requests, in order. */
  readonly headers: IncomingHttpHeaders[] = [];
  /** How many bytes of bodies went out. */
  sent = 0;
  /** Whether it answers to a range with one. */
  ranges = true;
  /** Whether `Content-Range` gives the size of the whole file (`/300000`), or not (`/*`). */
  sizeInRange = true;
  /** Told as an ETag. @default by content */
  etag: ((body: Buffer) => string | undefined) | undefined;
  /** Changes the answer to a range that has an end, before it is sent: a server that lies. @default nothing */
  lie: ((answer: Part) => Part) | undefined;
  /** How long it waits between pieces of 64 kB, ms. */
  slowMs = 0;
  url = "";

  static async start(): Promise<FileServer> {
    const server = new FileServer();
    const http = createServer((request, response) => void server.#serve(request, response));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    server.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    onTestFinished(() => {
      http.closeAllConnections();
      http.close();
    });
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { range, "if-range": condition } = request.headers;
    this.requests.push(`${request.method} ${request.url}${range ? ` ${range}` : ""}`);
    this.headers.push(request.headers);
    const trouble = this.troubles.shift();
    if (trouble?.kind === "silence") return;
    if (trouble?.kind === "status") {
      const { status, text = STATUS_CODES[status], retryAfter, date } = trouble;
      const headers = {
        ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
        ...(date ? { date: date.toUTCString() } : {}),
      };
      return void response.writeHead(status, text, headers).end();
    }
    const location = this.redirects.get(request.url ?? "");
    if (location !== undefined) return void response.writeHead(302, { location }).end();
    const body = this.files.get(request.url ?? "");
    if (!body) return void response.writeHead(404).end();
    const etag = this.etag ? this.etag(body) : `"${createHash("sha256").update(body).digest("hex")}"`;
    const bounds = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    if (bounds && this.ranges) return await this.#servePart(response, body, bounds, trouble);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const partial = this.ranges && from > 0 && (condition === undefined || condition === etag);
    const part = partial ? body.subarray(from) : body;
    response.writeHead(partial ? 206 : 200, {
      ...(etag ? { etag } : {}),
      ...(partial
        ? { "content-range": `bytes ${from}-${body.length - 1}/${this.sizeInRange ? body.length : "*"}` }
        : {}),
      ...(trouble?.kind === "short" ? {} : { "content-length": part.length }),
    });
    await this.#send(response, part, trouble);
  }

  async #servePart(
    response: ServerResponse,
    body: Buffer,
    [, first, last]: RegExpExecArray,
    trouble: Trouble | undefined,
  ): Promise<void> {
    const [start, end] = [Number(first), Math.min(Number(last) + 1, body.length)];
    const answer: Part =
      start < end
        ? {
            status: 206,
            contentRange: `bytes ${start}-${end - 1}/${body.length}`,
            body: body.subarray(start, end),
          }
        : { status: 416, contentRange: `bytes */${body.length}`, body: Buffer.alloc(0) };
    const { status, contentRange, body: part } = this.lie ? this.lie(answer) : answer;
    response.writeHead(status, {
      ...(contentRange === undefined ? {} : { "content-range": contentRange }),
      ...(trouble?.kind === "short" ? {} : { "content-length": part.length }),
    });
    await this.#send(response, part, trouble);
  }

  async #send(response: ServerResponse, part: Buffer, trouble: Trouble | undefined): Promise<void> {
    const end = trouble && "after" in trouble ? trouble.after : part.length;
    for (let at = 0; at < end; at += 1 << 16) {
      const piece = part.subarray(at, Math.min(end, at + (1 << 16)));
      this.sent += piece.length;
      await new Promise((resolve) => response.write(piece, resolve));
      if (this.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, this.slowMs));
    }
    if (trouble?.kind === "stall") return void response.flushHeaders();
    if (trouble?.kind === "cut") response.destroy();
    else response.end();
  }
}
