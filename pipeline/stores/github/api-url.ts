import { PipelineError } from "../../util/error.ts";

/** @throws PipelineError when `url` is not an http(s) address */
export function checkApiUrl(url: string): void {
  if (/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) return;
  throw new PipelineError(`GITHUB_API_URL "${url}" is not an http(s) address`);
}
