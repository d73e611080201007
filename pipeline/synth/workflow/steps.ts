import { uses } from "./actions.ts";
import type { Step } from "./model.ts";

/** Checks out the repository and installs its npm packages. No token stays on the runner. */
export const prepare: readonly Step[] = [
  { uses: uses("actions/checkout"), with: { "persist-credentials": false } },
  { uses: uses("actions/setup-node"), with: { "node-version": 24, cache: "npm" } },
  { run: "npm ci" },
];

/** A command line of the installed program. `--no` keeps npx from downloading a package of that name. */
export const program = (words: string): string => `npx --no -- smolvm-images ${words}`;

/** Installs the packages that a cell needs: QEMU, zstd, mmdebstrap. */
export const installTools: Step = { name: "Install QEMU and other tools", run: program("setup") };

/** The token, only for steps that talk to GitHub. Its permissions are those of the job. */
export const token = { GITHUB_TOKEN: "${{ github.token }}" } as const;

/** Uploads files of a job as an artifact of the run. A repeated job replaces its artifact. */
export const keep = (title: string, name: string, path: string, more: Step["with"] = {}): Step => ({
  name: title,
  uses: uses("actions/upload-artifact"),
  with: { name, path, overwrite: true, "if-no-files-found": "error", "retention-days": 7, ...more },
});
