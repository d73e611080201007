import { join } from "node:path";
import { type TrustedRoot, trustedRoot } from "../../attestation/trusted-root.ts";
import type { Authority } from "../../release/attestations.ts";
import type { Cells } from "../../schema/cells.ts";
import { RELEASE_REF, RELEASE_TRIGGER, RELEASE_WORKFLOW } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { loadGitHub } from "./load-github.ts";
import { root } from "./tree.ts";

/** The trusted root that the tree declares. @throws PipelineError when it cannot be read */
export const declaredRoot = async ({ trusted_root: path }: Cells): Promise<TrustedRoot> =>
  await trustedRoot(path === undefined ? undefined : join(root(), path));

/**
 * Who must have signed what a run of the workflow publishes: the same run, of this commit. Another attempt of the run may
 * have signed.
 * @throws PipelineError outside of a run, on another branch than that of releases, or if the trusted root of the tree cannot be read
 */
export async function thisRun(cells: Cells): Promise<Authority> {
  const { repository, commit, ref, id } = (await loadGitHub()).actionsRun();
  if (repository === undefined || commit === undefined || ref === undefined || id === undefined) {
    const variables = {
      GITHUB_REPOSITORY: repository,
      GITHUB_SHA: commit,
      GITHUB_REF: ref,
      GITHUB_RUN_ID: id,
    };
    const missing = Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [name] : []));
    throw new PipelineError(
      `--attestations is for a run of GitHub Actions, but ${missing.join(", ")} is not set`,
      {
        fix: `start the workflow ${RELEASE_WORKFLOW}`,
      },
    );
  }
  if (ref !== RELEASE_REF) {
    throw new PipelineError(`this run is on ${ref}, but releases are made from ${RELEASE_REF}`, {
      fix: "start the workflow on that branch",
    });
  }
  return {
    signer: { ...{ repository, commit, ref, run: id }, workflow: RELEASE_WORKFLOW, trigger: RELEASE_TRIGGER },
    root: await declaredRoot(cells),
  };
}
