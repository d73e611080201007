import { proxiedFetch, USER_AGENT } from "../http.ts";
import type { Run } from "../progress.ts";
import { reasonOf } from "../reason.ts";
import { PATIENCE, type Patience } from "./patience.ts";
import { SourceError } from "./source.ts";

/**
 * The address that a server redirects another one to, without a request to it.
 * @throws SourceError when the server cannot be reached, or does not redirect
 */
export async function redirectOf(
  url: string,
  { silenceMs = PATIENCE.silenceMs }: Partial<Patience>,
  run: Run,
): Promise<string> {
  const response = await proxiedFetch(silenceMs)(url, {
    ...{ method: "HEAD", redirect: "manual", signal: run.signal, headers: { "user-agent": USER_AGENT } },
  }).catch((cause: unknown) => {
    run.signal.throwIfAborted();
    throw new SourceError(reasonOf(cause), { cause });
  });
  const { status, statusText, headers } = response;
  const to = headers.get("location");
  if (status < 300 || status > 399 || to === null) {
    throw new SourceError(`HTTP ${status} ${statusText}`.trim(), { status });
  }
  return new URL(to, url).href;
}
