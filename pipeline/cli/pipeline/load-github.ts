import { checkApiUrl } from "../../stores/github/api-url.ts";

/**
 * Loads the code that uses GitHub. It is loaded only when needed, because that takes half a second, and fails if
 * GITHUB_API_URL is not an address. @throws PipelineError if GITHUB_API_URL is not an address
 */
export async function loadGitHub() {
  const { GITHUB_API_URL: url } = process.env;
  if (url) checkApiUrl(url);
  return await import("./github.ts");
}
