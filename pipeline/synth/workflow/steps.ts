import { uses } from "./actions.ts";
import type { Step } from "./model.ts";

/** How long artifacts are kept, days: as long as GitHub lets a run be started again. A repeated job needs those of others. */
const RETENTION_DAYS = 30;

/** Checks out the repository. No token stays on the runner. */
const checkout: Step = { uses: uses("actions/checkout"), with: { "persist-credentials": false } };
const setupNode = (more: Step["with"] = {}): Step => ({
  uses: uses("actions/setup-node"),
  with: { "node-version": 24, ...more },
});

/** Checks out the repository and installs its npm packages, from the registry alone. */
export const prepare: readonly Step[] = [checkout, setupNode(), { run: "npm ci" }];

/** The same with npm's cache between runs. Not for a release: every job of `main` can write that cache. */
export const prepareCached: readonly Step[] = [checkout, setupNode({ cache: "npm" }), { run: "npm ci" }];

/** The same for a job whose result is published: without development dependencies, and without any package's script. */
export const prepareWithoutScripts: readonly Step[] = [
  checkout,
  setupNode(),
  { run: "npm ci --omit=dev --ignore-scripts" },
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
  with: {
    ...{ name, path, overwrite: true, "if-no-files-found": "error", "retention-days": RETENTION_DAYS },
    ...more,
  },
});
