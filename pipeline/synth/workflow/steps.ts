import { uses } from "./actions.ts";
import type { Step } from "./model.ts";

/** The repository and its npm packages; nothing it leaves behind holds a token. */
export const prepare: readonly Step[] = [
  { uses: uses("actions/checkout"), with: { "persist-credentials": false } },
  { uses: uses("actions/setup-node"), with: { "node-version": 24, cache: "npm" } },
  { run: "npm ci" },
];

/** A command of the installed program: `--no` keeps npx from fetching another package of that name. */
export const program = (words: string): string => `npx --no -- smolvm-images ${words}`;

/** What a cell needs from the runner's distribution: QEMU, zstd, mmdebstrap. */
export const installTools: Step = { name: "Install QEMU and other tools", run: program("setup") };

/** For the steps that talk to GitHub, and for no other: what it may do is its job's `permissions`. */
export const token = { GITHUB_TOKEN: "${{ github.token }}" } as const;

/** Keeps files of a job as an artifact of the run; a job that is run again replaces what it kept before. */
export const keep = (title: string, name: string, path: string, more: Step["with"] = {}): Step => ({
  name: title,
  uses: uses("actions/upload-artifact"),
  with: { name, path, overwrite: true, "if-no-files-found": "error", "retention-days": 7, ...more },
});
