import { EnvHttpProxyAgent, fetch, type RequestInit } from "undici";
import { PipelineError } from "./error.ts";

/** The `User-Agent` header of every request. */
export const USER_AGENT = "smolvm-images";

/**
 * A `fetch` that uses the proxy in the environment (`HTTPS_PROXY`, `HTTP_PROXY`), which Node's own `fetch` ignores. It
 * aborts a connection that sends nothing for `silenceMs`. Node itself reads `NODE_EXTRA_CA_CERTS`.
 * @throws PipelineError when a proxy variable does not hold an http(s) address
 */
export function proxiedFetch(silenceMs: number): typeof fetch {
  checkProxies();
  const dispatcher = new EnvHttpProxyAgent({
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: { timeout: Math.min(silenceMs, 20_000) },
  });
  return (input, init: RequestInit = {}) =>
    fetch(input, { ...init, ...(init.body instanceof ReadableStream ? SENT_ONCE : {}), dispatcher });
}

/**
 * Keeps fetch from buffering a streamed body in memory: https://fetch.spec.whatwg.org/#http-network-or-cache-fetch clones
 * a request with its body, unless the request has no window and follows no redirect.
 */
const SENT_ONCE = { window: null, redirect: "error" } as const;

const PROXIES = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"] as const;

/** The name of the first environment variable that sets a proxy; undefined if none does. */
export const proxyVariable = (): string | undefined => PROXIES.find((name) => process.env[name]);

/** Errors do not show the value, which may hold a password. */
function checkProxies(): void {
  for (const name of PROXIES) {
    const value = process.env[name];
    if (!value) continue;
    if (!/^https?:\/\/./i.test(value) || !URL.canParse(value)) {
      throw new PipelineError(`${name} does not hold the http(s) address of a proxy`, {
        fix: "set it to http://HOST:PORT, or unset it",
      });
    }
  }
}
