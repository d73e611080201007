import { KIND_NAMES } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";

/**
 * For each cell: that this workflow made its assets from this commit, and what is in them, signed with the
 * run's own identity. The one job that may sign runs none of our code.
 */
export const attest: Job = {
  name: "attest ${{ matrix.cell }}",
  needs: ["plan", ...KIND_NAMES],
  // A job that was skipped, because nothing of its kind is to be built, stops nobody; one that failed does.
  if: "${{ !failure() && !cancelled() && needs.plan.outputs.attestations != '[]' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 15,
  permissions: { "id-token": "write", attestations: "write" },
  strategy: { "fail-fast": false, matrix: { include: "${{ fromJSON(needs.plan.outputs.attestations) }}" } },
  steps: [
    {
      name: "Take what was staged",
      uses: uses("actions/download-artifact"),
      with: { name: "cell-${{ matrix.cell }}", path: "staged" },
    },
    {
      name: "Attest where it comes from",
      uses: uses("actions/attest"),
      with: { "subject-path": "${{ matrix.subjects }}" },
    },
    {
      name: "Attest what is in it",
      uses: uses("actions/attest"),
      with: { "subject-path": "${{ matrix.subjects }}", "sbom-path": "${{ matrix.sbom }}" },
    },
  ],
};
