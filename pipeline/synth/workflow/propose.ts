import { uses } from "./actions.ts";
import type { Job } from "./model.ts";
import { prepareWithoutScripts, program, token } from "./steps.ts";

/** Opens the pull request with the recorded digests. It writes a branch of its own, and nothing of the release. */
export const propose: Job = {
  needs: ["publish"],
  if: "${{ !cancelled() && needs.publish.result == 'success' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 15,
  environment: "release",
  permissions: { contents: "write", "pull-requests": "write" },
  steps: [
    ...prepareWithoutScripts,
    {
      name: "Download the recorded digests",
      uses: uses("actions/download-artifact"),
      // Not into the checkout, whose program is run with a token.
      with: { name: "recorded", path: "recorded" },
    },
    { name: "Propose the recorded digests", env: token, run: program("release propose --recorded recorded") },
  ],
};
