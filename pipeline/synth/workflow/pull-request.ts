import { uses } from "./actions.ts";
import type { Workflow } from "./model.ts";
import { prepareCached, program } from "./steps.ts";

/** The checks of a pull request: generated files are up to date, the tests pass, and real images build and boot. */
export function pullRequest(): Workflow {
  return {
    name: "pull-request",
    on: { pull_request: null },
    permissions: {},
    concurrency: { group: "pull-request-${{ github.ref }}", "cancel-in-progress": true },
    jobs: {
      test: {
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 15,
        permissions: { contents: "read" },
        steps: [
          ...prepareCached,
          { name: "Check that generated files are up to date", run: program("synth --check") },
          { run: "npm run --if-present lint" },
          { run: "npm run --if-present typecheck" },
          { run: "npm test --if-present" },
        ],
      },
      e2e: {
        needs: ["test"],
        "runs-on": "ubuntu-24.04",
        "timeout-minutes": 60,
        permissions: { contents: "read" },
        steps: [
          ...prepareCached,
          {
            name: "Restore cached kernels of these inputs",
            uses: uses("actions/cache"),
            with: {
              path: "out/cache/kernels",
              key: "kernels-${{ hashFiles('dockerfiles/kernel.Dockerfile', 'dockerfiles/kernel/**') }}",
            },
          },
          { name: "Build and boot real images", run: "npm run --if-present check" },
        ],
      },
    },
  };
}
