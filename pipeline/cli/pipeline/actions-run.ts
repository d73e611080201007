import { context } from "@actions/github";
import { PipelineError } from "../../util/error.ts";

/** What GitHub says of the run of a workflow; undefined is what it does not say, as outside of Actions. */
export interface ActionsRun {
  /** `owner/name`, of the repository whose workflow runs. */
  readonly repository: string | undefined;
  readonly commit: string | undefined;
  /** The branch that it runs on; a tag is none. */
  readonly branch: string | undefined;
  readonly id: number | undefined;
  /** What has started it: `workflow_dispatch`, `pull_request`. */
  readonly event: string | undefined;
  readonly apiUrl: string;
}

/** @throws PipelineError when GITHUB_REPOSITORY is not `owner/name` */
export function actionsRun(): ActionsRun {
  const { sha, ref, runId, eventName, apiUrl } = context;
  return {
    repository: repository(),
    commit: sha || undefined,
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
