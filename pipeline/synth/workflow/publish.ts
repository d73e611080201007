import { KIND_NAMES } from "../../schema/kinds/index.ts";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { DIGESTS_PATH } from "../../schema/recorded-digests.ts";
import { PUBLISHED_IMAGES_PATH } from "../published-images.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";
import { keep, prepareWithoutScripts, program, token } from "./steps.ts";

/**
 * The only job that may write to the release. It takes what the cells' jobs have staged, checks it against the committed
 * cells, uploads it and runs the gate. It starts nothing of an artifact, and neither Docker nor QEMU.
 */
export const publish: Job = {
  needs: ["plan", ...KIND_NAMES, "attest"],
  // It also runs after a failure. Then it lists what is staged and what is missing, and refuses.
  if: "${{ !cancelled() && needs.plan.outputs.complete == 'true' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 60,
  // The environment's protection rules decide who may start this job, and from which branch.
  environment: "release",
  permissions: { contents: "write" },
  steps: [
    ...prepareWithoutScripts,
    {
      name: "Download what was staged",
      uses: uses("actions/download-artifact"),
      with: { pattern: "cell-*", path: "staged" },
    },
    {
      name: "Check, upload and publish",
      env: {
        ...token,
        EMPTY: "${{ inputs.empty && '--empty' || '' }}",
        FINAL: "${{ inputs.final && '--final' || '' }}",
        WITHHELD:
          "${{ needs.attest.result != 'success' && format('attest: {0}', needs.attest.result) || '' }}",
      },
      run: program('release publish --store github --artifacts staged --withhold "$WITHHELD" $EMPTY $FINAL'),
    },
    keep(
      "Upload the recorded digests",
      "recorded",
      [DIGESTS_PATH, MANIFEST_PATH, PUBLISHED_IMAGES_PATH].join("\n"),
    ),
    {
      name: "Check the published release",
      if: "${{ inputs.final }}",
      env: token,
      run: program("release verify --store github"),
    },
  ],
};
