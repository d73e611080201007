import { EnvHttpProxyAgent, fetch, type RequestInit } from "undici";
import { PipelineError } from "./error.ts";

/** What servers are told who asks. */
export const USER_AGENT = "smolvm-images";

/**
 * `fetch` through the proxy that the environment names, which Node's own does not know; a connection that is silent
 * for `silenceMs` is given up. `NODE_EXTRA_CA_CERTS` is honoured by Node itself.
 * @throws PipelineError at a proxy's variable that holds no http(s) address
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
 * A stream is not kept in memory to be sent again: https://fetch.spec.whatwg.org/#http-network-or-cache-fetch clones a
 * request, body and all, except where it has no window and follows no redirect.
 */
const SENT_ONCE = { window: null, redirect: "error" } as const;

const PROXIES = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"] as const;

/** The variable that names a proxy, where one does. */
export const proxyVariable = (): string | undefined => PROXIES.find((name) => process.env[name]);

/** The value is not shown: it may hold a password. */
function checkProxies(): void {
  for (const name of PROXIES) {
    const value = process.env[name];
    if (!value) continue;
    if (!/^https?:\/\/./i.test(value) || !URL.canParse(value)) {
      throw new PipelineError(
        `${name} does not hold a proxy's http(s) address: set it to http://HOST:PORT, or unset it`,
      );
    }
  }
}
