import { EnvHttpProxyAgent, fetch, type RequestInit } from "undici";

/**
 * `fetch` through the proxy that the environment names, which Node's own does not know; a connection that is silent
 * for `silenceMs` is given up. `NODE_EXTRA_CA_CERTS` is honoured by Node itself.
 */
export function proxiedFetch(silenceMs: number): typeof fetch {
  const dispatcher = new EnvHttpProxyAgent({
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: { timeout: Math.min(silenceMs, 20_000) },
  });
  return (input, init: RequestInit = {}) =>
    fetch(input, { ...init, ...(init.body instanceof ReadableStream ? SENT_ONCE : {}), dispatcher });
}

/**
 * A stream is not kept in memory to be sent again: https://fetch.spec.whatwg.org/#http-network-or-cache-fetch clones a
 * request, body and all, except where it has no window and follows no redirect.
 */
const SENT_ONCE = { window: null, redirect: "error" } as const;

/** The variable that names a proxy, where one does. */
export const proxyVariable = (): string | undefined =>
  ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"].find((name) => process.env[name]);
