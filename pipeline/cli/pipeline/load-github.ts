import { checkApiUrl } from "../../stores/github/api-url.ts";

/**
 * What talks to GitHub, which takes half a second to load and fails to load where the address is none.
 * @throws PipelineError at a GITHUB_API_URL that is no address
 */
export async function loadGitHub() {
  const { GITHUB_API_URL: url } = process.env;
  if (url) checkApiUrl(url);
  return await import("./github.ts");
}
