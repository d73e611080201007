import { PUBLISHED_KINDS } from "../../schema/kinds/index.ts";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { DIGESTS_PATH } from "../../schema/recorded-digests.ts";
import { PUBLISHED_IMAGES_PATH } from "../published-images.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";
import { keep, prepareWithoutScripts, program, token } from "./steps.ts";

/** The jobs that sign, each with the condition under which it must have run. If no cell is built, none is attested. */
const SIGNING = [
  ["attest", ["needs.plan.outputs.attestations != '[]'"]],
  ["attest-manifest", []],
] as const;

/** Why nothing is published, whatever is staged: a job that signs was not successful. Empty if both were. */
const withheld = `\${{ ${SIGNING.map(([job, unless]) =>
  [`needs.${job}.result != 'success'`, ...unless, `format('${job}: {0}', needs.${job}.result)`].join(" && "),
).join(" || ")} || '' }}`;

/**
 * The only job that may write to the release. It takes what the cells' jobs have staged, checks it against the committed
 * cells and the attestations of this run, uploads it and runs the gate. It starts nothing of an artifact, and neither
 * Docker nor QEMU.
 */
export const publish: Job = {
  needs: ["plan", ...PUBLISHED_KINDS, ...SIGNING.map(([job]) => job)],
  // It also runs after a failure. Then it lists what is staged and what is missing, and refuses.
  if: "${{ !cancelled() && needs.plan.outputs.complete == 'true' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 60,
  // The environment's protection rules decide who may start this job, and from which branch.
  environment: "release",
  // The attestations of what is carried over are read.
  permissions: { contents: "write", attestations: "read" },
  steps: [
    ...prepareWithoutScripts,
    {
      name: "Download what was staged",
      uses: uses("actions/download-artifact"),
      with: { pattern: "cell-*", path: "staged" },
    },
    {
      name: "Download the attestations",
      uses: uses("actions/download-artifact"),
      with: { pattern: "attestation-*", path: "attested" },
    },
    {
      name: "Check, upload and publish",
      env: {
        ...token,
        EMPTY: "${{ inputs.empty && '--empty' || '' }}",
        FINAL: "${{ inputs.final && '--final' || '' }}",
        WITHHELD: withheld,
      },
      run: program(
        'release publish --store github --carry --artifacts staged --attestations attested --report report.html --withhold "$WITHHELD" $EMPTY $FINAL',
      ),
    },
    keep("Upload the report of the release", "report", "report.html", { "if-no-files-found": "ignore" }),
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
