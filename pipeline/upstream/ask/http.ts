import type { z } from "zod";
import { PipelineError } from "../../util/error.ts";
import { proxyVariable, USER_AGENT } from "../../util/http.ts";
import { bytesOf } from "../../util/read-text.ts";
import { reasonOf } from "../../util/reason.ts";
import { retry, retryAfterS } from "../../util/retry.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

export interface Question {
  /** @default GET */
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are answers, and not failures. @default 200 alone */
  readonly statuses?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly bytes: Buffer;
}

/** The largest answer that is read, bytes. The index of an Alpine branch has 2 MB. */
const MOST = 32 << 20;

/** A failure that may pass. */
class Passing extends Error {
  readonly waitS: number | undefined;
  /** The server has not answered at all. */
  readonly unreached: boolean;

  constructor(
    message: string,
    options: { waitS?: number | undefined; unreached?: true; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.waitS = options.waitS;
    this.unreached = options.unreached ?? false;
  }
}

/** The attempts at a server that does not answer at all. */
const UNREACHED_ATTEMPTS = 2;

/**
 * Asks a server. Failures that may pass (no connection, 429, 5xx) are tried again, as long as the server's `Retry-After`
 * allows it in the time that one question may take.
 * @throws Unknown when there is no answer, or it is a page of HTML
 */
export async function ask(upstream: Upstream, url: string, question: Question = {}): Promise<Answer> {
  const { run, patience } = upstream;
  const deadline = AbortSignal.timeout(patience.totalMs);
  const signal = AbortSignal.any([run.signal, deadline]);
  try {
    return await retry(() => once(upstream, url, question, signal), {
      backoff: patience,
      signal,
      failureOf: (error) =>
        error instanceof Passing
          ? { waitS: error.waitS, ...(error.unreached ? { attempts: UNREACHED_ATTEMPTS } : {}) }
          : undefined,
    });
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    if (deadline.aborted)
      throw new Unknown(url, `no whole answer within ${patience.totalMs / 1000} s`, error);
    throw new Unknown(url, reasonOf(error instanceof Passing ? error.message : error), error);
  }
}

async function once(
  upstream: Upstream,
  url: string,
  question: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const { method = "GET", statuses = [200] } = question;
  const headers = { "user-agent": USER_AGENT, ...question.headers };
  const response = await upstream.fetch(url, { method, headers, signal }).catch((cause: unknown) => {
    const proxy = proxyVariable();
    throw new Passing(
      `no answer (${reasonOf(cause)}${proxy ? `, through the proxy that ${proxy} names` : ""})`,
      { unreached: true, cause },
    );
  });
  const { status, statusText } = response;
  if (!statuses.includes(status)) {
    await response.body?.cancel();
    const said = `HTTP ${status} ${statusText}`.trim();
    if (status < 500 && status !== 408 && status !== 429) throw new Unknown(url, said);
    const now = Date.parse(response.headers.get("date") ?? "") || Date.now();
    throw new Passing(said, { waitS: retryAfterS(response.headers.get("retry-after"), now) });
  }
  const bytes = await bytesOf(response.body ?? [], MOST).catch((cause: unknown) => {
    throw new Passing(`the answer broke off (${reasonOf(cause)})`, { cause });
  });
  // Networks with a login page, and sites in maintenance, answer every address with a page.
  if (status === 200 && isHtml(response.headers.get("content-type"), bytes)) {
    throw new Unknown(url, "the answer is a page of HTML");
  }
  return { status, headers: response.headers, bytes };
}

const isHtml = (type: string | null, bytes: Buffer): boolean =>
  /^\s*text\/html\b/i.test(type ?? "") ||
  /^\s*<(!doctype|html)\b/i.test(bytes.subarray(0, 200).toString("latin1"));

/** The text that a server has. @throws Unknown as `ask` */
export const askText = async (upstream: Upstream, url: string, question?: Question): Promise<string> =>
  (await ask(upstream, url, question)).bytes.toString("utf8");

/** The JSON that a server has. @throws Unknown as `ask`, and when it is no JSON of this form */
export async function askJson<T>(
  upstream: Upstream,
  url: string,
  schema: z.ZodType<T>,
  question?: Question,
): Promise<T> {
  return parsed(url, schema, await askText(upstream, url, question));
}

/** @throws Unknown when the text is no JSON of this form */
export function parsed<T>(url: string, schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Unknown(url, `the answer cannot be used (${reasonOf(cause)})`, cause);
  }
}
