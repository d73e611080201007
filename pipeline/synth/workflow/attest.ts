import { KIND_NAMES } from "../../schema/kinds/index.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";

/**
 * Signs two attestations for each cell with the identity of the run: that this workflow made the assets from this commit
 * (provenance), and what they contain (SBOM). This is the only job that may sign, and it runs none of our code.
 */
export const attest: Job = {
  name: "attest ${{ matrix.cell }}",
  needs: ["plan", ...KIND_NAMES],
  // A skipped job (no cell of its kind is built) does not prevent this job; a failed one does.
  if: "${{ !failure() && !cancelled() && needs.plan.outputs.attestations != '[]' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 15,
  permissions: { "id-token": "write", attestations: "write" },
  strategy: { "fail-fast": false, matrix: { include: "${{ fromJSON(needs.plan.outputs.attestations) }}" } },
  steps: [
    {
      name: "Download what was staged",
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
