/** The part of GitHub's workflow syntax that the generated workflows use. */
export interface Workflow {
  readonly name: string;
  readonly on: {
    readonly pull_request?: null;
    /** Runs with the workflow of the base branch, also for pull requests from forks. Its jobs may write. */
    readonly pull_request_target?: null;
    readonly schedule?: readonly { readonly cron: string }[];
    readonly workflow_dispatch?: { readonly inputs: Readonly<Record<string, Input>> } | null;
  };
  readonly permissions: Permissions;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly jobs: Readonly<Record<string, Job>>;
}

/** An input of a manually started workflow. */
interface Input {
  readonly description: string;
  readonly type: "string" | "boolean";
  readonly default: string | boolean;
}

type Permissions = Readonly<Record<string, "read" | "write" | "none">>;

export interface Job {
  readonly name?: string;
  readonly needs?: readonly string[];
  readonly if?: string;
  readonly "runs-on": string;
  readonly "timeout-minutes": number;
  /** The environment of the repository whose protection rules hold for this job. */
  readonly environment?: string;
  readonly permissions: Permissions;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly "fail-fast": false; readonly matrix: { readonly include: string } };
  readonly steps: readonly Step[];
}

export interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string | number | boolean>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: string;
}
