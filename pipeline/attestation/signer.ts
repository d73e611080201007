import { RELEASE_REF, RELEASE_TRIGGER, RELEASE_WORKFLOW } from "../schema/names.ts";

/** Who must have signed an attestation: a run of a workflow, on a runner of GitHub's. */
export interface Signer {
  /** `owner/name` on github.com, in the case that GitHub shows. */
  readonly repository: string;
  /** The path in the repository: `.github/workflows/build-published-images.yml`. */
  readonly workflow: string;
  /** The branch or tag of the run: `refs/heads/main`. @default any */
  readonly ref?: string | undefined;
  /** The commit of the run, and of its workflow. @default any */
  readonly commit?: string | undefined;
  /** The id of the run, which all of its attempts share. @default any */
  readonly run?: number | undefined;
  /** The event that started the run: `workflow_dispatch`. @default any */
  readonly trigger?: string | undefined;
}

/** The workflow of a repository that makes its releases. */
export const releaseSigner = (repository: string, run: Pick<Signer, "commit" | "run"> = {}): Signer => ({
  ...{ repository, workflow: RELEASE_WORKFLOW, ref: RELEASE_REF, trigger: RELEASE_TRIGGER },
  ...run,
});
