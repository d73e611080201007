import { KIND_NAMES } from "../../schema/kinds/index.ts";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { DIGESTS_PATH } from "../../schema/recorded-digests.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";
import { keep, prepare, program, token } from "./steps.ts";

/** Runs the gate after all cells, and proposes the recorded digests to the repository. */
export const publish: Job = {
  needs: ["plan", ...KIND_NAMES, "attest"],
  // It also runs after a failure. Then it lists what is on the release and what is missing, and refuses.
  if: "${{ !cancelled() && needs.plan.outputs.complete == 'true' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 30,
  permissions: { contents: "write", "pull-requests": "write" },
  steps: [
    ...prepare,
    {
      name: "Download the facts of every cell",
      uses: uses("actions/download-artifact"),
      with: { pattern: "facts-*", "merge-multiple": true, path: "out/release" },
    },
    {
      name: "Publish, if every asset is there",
      env: {
        ...token,
        RELEASE_ID: "${{ needs.plan.outputs.release-id }}",
        FINAL: "${{ inputs.final && '--final' || '' }}",
        WITHHELD:
          "${{ needs.attest.result != 'success' && format('attest: {0}', needs.attest.result) || '' }}",
      },
      run: program('release publish --store github --release-id "$RELEASE_ID" --withhold "$WITHHELD" $FINAL'),
    },
    keep("Upload the recorded digests", "recorded", `${DIGESTS_PATH}\n${MANIFEST_PATH}`),
    {
      name: "Check the published release",
      if: "${{ inputs.final }}",
      env: token,
      run: program("release verify --store github"),
    },
    {
      name: "Propose the recorded digests",
      env: token,
      run: program("release propose"),
    },
  ],
};
