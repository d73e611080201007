import { context } from "@actions/github";
import { PipelineError } from "../../util/error.ts";

/** The current run of a workflow in GitHub Actions. Outside of Actions, most fields are undefined. */
export interface ActionsRun {
  /** The repository whose workflow runs: `owner/name`. */
  readonly repository: string | undefined;
  readonly commit: string | undefined;
  /** The branch or tag that it runs on: `refs/heads/main`. */
  readonly ref: string | undefined;
  /** The branch that it runs on; undefined for a tag. */
  readonly branch: string | undefined;
  readonly id: number | undefined;
  /** The event that started it, such as `workflow_dispatch` or `pull_request`. */
  readonly event: string | undefined;
  readonly apiUrl: string;
}

/** @throws PipelineError if GITHUB_REPOSITORY is not `owner/name` */
export function actionsRun(): ActionsRun {
  const { sha, ref, runId, eventName, apiUrl } = context;
  return {
    repository: repository(),
    commit: sha || undefined,
    ref: ref || undefined,
    branch: /^refs\/heads\/(.+)$/.exec(ref ?? "")?.[1],
    id: Number.isNaN(runId) ? undefined : runId,
    event: eventName || undefined,
    apiUrl,
  };
}

function repository(): string | undefined {
  const asked = process.env.GITHUB_REPOSITORY;
  if (!asked && !context.payload.repository) return undefined;
  const { owner, repo } = context.repo;
  const name = `${owner}/${repo}`;
  if (asked && asked !== name) throw new PipelineError(`GITHUB_REPOSITORY "${asked}" is not owner/name`);
  return name;
}
