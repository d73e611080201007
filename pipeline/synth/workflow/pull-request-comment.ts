import type { Workflow } from "./model.ts";
import { prepareWithoutScripts, program, token } from "./steps.ts";

/**
 * Comments on a pull request what it would publish, also on one from a fork. `pull_request_target` runs the workflow and the
 * program of the base branch, with a token that may comment. Nothing of the pull request is checked out or run: its
 * `out/cells.json` and the names of its files are read through the API, as data.
 */
export function pullRequestComment(): Workflow {
  return {
    name: "pull-request-comment",
    on: { pull_request_target: null },
    permissions: {},
    concurrency: {
      group: "pull-request-comment-${{ github.event.pull_request.number }}",
      "cancel-in-progress": true,
    },
    jobs: {
      comment: {
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 10,
        permissions: { contents: "read", "pull-requests": "write" },
        steps: [
          ...prepareWithoutScripts,
          { name: "Comment what the change would publish", env: token, run: program("plan --comment") },
        ],
      },
    },
  };
}
