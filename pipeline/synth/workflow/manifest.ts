import { PUBLISHED_KINDS } from "../../schema/kinds/index.ts";
import { MANIFEST_ASSET } from "../../schema/names.ts";
import { uses } from "./actions.ts";
import type { Job } from "./model.ts";
import { keep, prepareWithoutScripts, program } from "./steps.ts";

/**
 * Makes the manifest of a complete release from the facts of its cells, so that it can be attested. `publish` makes it
 * again from what it has checked, and refuses a manifest that was attested with other bytes.
 */
export const manifest: Job = {
  needs: ["plan", ...PUBLISHED_KINDS],
  // A selection of the cells is not published, and has no manifest.
  if: "${{ !failure() && !cancelled() && needs.plan.outputs.complete == 'true' }}",
  "runs-on": "ubuntu-24.04",
  "timeout-minutes": 15,
  permissions: { contents: "read" },
  steps: [
    ...prepareWithoutScripts,
    {
      name: "Download the facts of the cells",
      uses: uses("actions/download-artifact"),
      with: { pattern: "facts-*", path: "facts" },
    },
    {
      name: "Make the manifest",
      run: program(`release manifest --carry --facts facts --output ${MANIFEST_ASSET}`),
    },
    keep("Upload the manifest", "manifest", MANIFEST_ASSET),
  ],
};
