import { uses } from "./actions.ts";
import type { Workflow } from "./model.ts";
import { installTools, keep, prepareWithoutScripts, program, token } from "./steps.ts";

/** What `look` leaves for `write`. */
const REPORT = { name: "drift", directory: "drift", file: "drift.json" } as const;

/**
 * Once a week: a pull request for each preset that is behind, and one issue with the other pins. `look` asks the sources,
 * and may only read. `write` alone may write; it takes the report as untrusted data, checks all of it again and runs
 * nothing of it.
 */
export function drift(): Workflow {
  return {
    name: "drift",
    // Monday morning, not at a full hour, when GitHub has the most runs to start.
    on: { schedule: [{ cron: "23 5 * * 1" }], workflow_dispatch: null },
    permissions: {},
    concurrency: { group: "drift", "cancel-in-progress": false },
    jobs: {
      look: {
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 30,
        permissions: { contents: "read" },
        steps: [
          ...prepareWithoutScripts,
          { name: "Check that generated files are up to date", run: program("synth --check") },
          // Debian's archive is read with mmdebstrap.
          installTools,
          {
            name: "Ask what is newest",
            // GitHub answers few anonymous requests from its own runners.
            env: token,
            run: program(`drift --save ${REPORT.file}`),
          },
          keep("Upload the report", REPORT.name, REPORT.file),
        ],
      },
      write: {
        needs: ["look"],
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 15,
        permissions: { contents: "write", "pull-requests": "write", issues: "write" },
        steps: [
          ...prepareWithoutScripts,
          {
            name: "Download the report",
            uses: uses("actions/download-artifact"),
            // Not into the checkout, whose program is run with a token.
            with: { name: REPORT.name, path: REPORT.directory },
          },
          {
            name: "Open or update pull requests and the issue",
            env: token,
            run: program(`drift --propose ${REPORT.directory}/${REPORT.file}`),
          },
        ],
      },
    },
  };
}
