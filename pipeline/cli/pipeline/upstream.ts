import { Upstream } from "../../upstream/upstream.ts";
import type { Run } from "../../util/progress.ts";
import { githubToken } from "../shared/token.ts";

/** The sources of pins, with the standard variables that say how they are reached. */
export function upstreamOf(run: Run): Upstream {
  const { GITHUB_API_URL: githubApi, SMOLVM_APT_MIRROR: aptMirror } = process.env;
  const options = {
    addresses: githubApi ? { githubApi } : {},
    aptMirror: aptMirror || undefined,
    githubToken: githubToken(),
  };
  return new Upstream(options, run);
}
