import { PUBLISHED_KINDS } from "../../schema/kinds/index.ts";
import { MANIFEST_ASSET } from "../../schema/names.ts";
import { uses } from "./actions.ts";
import type { Job, Step } from "./model.ts";
import { keep } from "./steps.ts";

/** Jobs that sign, with the identity of the run. They may do nothing else, and run none of our code. */
const signing = {
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 15,
  permissions: { "id-token": "write", attestations: "write" },
} as const;

const download = (name: string): Step => ({
  name: "Download what was made",
  uses: uses("actions/download-artifact"),
  with: { name, path: "staged" },
});

/** Ends with an error unless `staged` has regular files alone. */
export const ONLY_FILES =
  'test -z "$(find staged -mindepth 1 ! -type f -print -quit)" || { echo "::error::the artifact has something that is not a regular file"; exit 1; }';

/**
 * Refuses an artifact with anything but regular files. actions/attest attests every file below a directory that has the
 * name of an asset, by the name of that file: code in the job of a cell could have any file attested, such as a manifest.
 */
const onlyFiles: Step = {
  name: "Check that there are only files",
  run: ONLY_FILES,
};

/** Attests that this workflow made files from this commit (provenance), and keeps the attestation for `publish`. */
const provenance = (subjects: string, of: string): Step[] => [
  {
    name: "Attest where it comes from",
    id: "provenance",
    uses: uses("actions/attest"),
    with: { "subject-path": subjects },
  },
  keep("Upload the attestation", `attestation-${of}`, "${{ steps.provenance.outputs.bundle-path }}"),
];

/** Signs two attestations for each cell: where its assets and their inventory come from, and what the assets contain. */
export const attest: Job = {
  name: "attest ${{ matrix.cell }}",
  needs: ["plan", ...PUBLISHED_KINDS],
  // A skipped job (no cell of its kind is built) does not prevent this job; a failed one does.
  if: "${{ !failure() && !cancelled() && needs.plan.outputs.attestations != '[]' }}",
  ...signing,
  strategy: { "fail-fast": false, matrix: { include: "${{ fromJSON(needs.plan.outputs.attestations) }}" } },
  steps: [
    download("cell-${{ matrix.cell }}"),
    onlyFiles,
    {
      name: "Attest what is in it",
      uses: uses("actions/attest"),
      with: { "subject-path": "${{ matrix.subjects }}", "sbom-path": "${{ matrix.sbom }}" },
    },
    ...provenance("${{ matrix.files }}", "${{ matrix.cell }}"),
  ],
};

/** Signs the manifest of a complete release. */
export const attestManifest: Job = {
  needs: ["manifest"],
  if: "${{ !cancelled() && needs.manifest.result == 'success' }}",
  ...signing,
  steps: [download("manifest"), onlyFiles, ...provenance(`staged/${MANIFEST_ASSET}`, "manifest")],
};
