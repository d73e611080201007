import { Octokit } from "@octokit/rest";
import { PipelineError } from "../../util/error.ts";
import { proxiedFetch, USER_AGENT } from "../../util/http.ts";
import type { Run } from "../../util/progress.ts";
import { type Backoff, type Failure, pause, retry } from "../../util/retry.ts";
import { checkApiUrl } from "./api-url.ts";
import { failureOf, GitHubError } from "./failure.ts";

export interface GitHubOptions {
  readonly token: string | undefined;
  /** `owner/name`. */
  readonly repository: string;
  /** Only read public data, which needs no token. @default false */
  readonly anonymous?: boolean;
  /** @default https://api.github.com */
  readonly apiUrl?: string | undefined;
  /** Timeouts and retries. @default PATIENCE */
  readonly patience?: Patience | undefined;
}

/** Timeouts and retries of requests and uploads. */
export interface Patience extends Backoff {
  /** How often a list that may be stale is read again. */
  readonly polls: number;
  /** How long a connection may receive nothing, ms. */
  readonly silenceMs: number;
}

/** The maximum number of attempts at an address that has never answered. */
const UNREACHED_ATTEMPTS = 3;

/** The waits add up to about two minutes, the longest time for which GitHub's lists were seen to be stale. */
export const PATIENCE: Patience = {
  attempts: 7,
  polls: 7,
  firstMs: 1000,
  longestMs: 60_000,
  limitS: 15 * 60,
  silenceMs: 120_000,
};

/** The client for one repository on GitHub. All requests go through it. */
export class GitHubClient {
  readonly octokit: Octokit;
  /** Owner and name, which every request needs. */
  readonly repo: { readonly owner: string; readonly repo: string };
  readonly repository: string;
  readonly patience: Patience;
  readonly run: Run;
  /** Whether GitHub has answered at all. An address that never answers gets fewer attempts. */
  #reached = false;

  /** @throws PipelineError without a token */
  constructor(options: GitHubOptions, run: Run) {
    const { token, repository, apiUrl = "https://api.github.com", patience = PATIENCE } = options;
    if (!token && !options.anonymous) {
      throw new PipelineError("GITHUB_TOKEN is not set", {
        code: "github-token",
        fix:
          "releases on GitHub need a token with `contents: write`; in a workflow, the job's " +
          "`permissions: { contents: write }` and the step's `env: { GITHUB_TOKEN: ${{ github.token }} }`",
      });
    }
    if (token && !/^[\x21-\x7e]+$/.test(token)) {
      throw new PipelineError(
        "GITHUB_TOKEN contains a space, a line break or a character that no token has",
        {
          ...{ code: "github-token", fix: "set it to the token alone" },
        },
      );
    }
    const [owner = "", repo = ""] = repository.split("/");
    if (!/^(?!\.+\/)[\w.-]+\/(?!\.+$)[\w.-]+$/.test(repository)) {
      throw new PipelineError(`GITHUB_REPOSITORY "${repository}" is not owner/name`);
    }
    checkApiUrl(apiUrl);
    this.repo = { owner, repo };
    this.repository = repository;
    this.patience = patience;
    this.run = run;
    this.octokit = new Octokit({
      ...(token ? { auth: token } : {}),
      baseUrl: apiUrl.replace(/\/+$/, ""),
      userAgent: USER_AGENT,
      request: { fetch: proxiedFetch(patience.silenceMs), signal: run.signal },
      log: { debug() {}, info() {}, warn: (line: string) => run.progress.warn(line), error() {} },
    });
    this.#wrapRequests(apiUrl);
  }

  /**
   * Wraps every request: translates failures into GitHubError, and repeats requests after a transient failure. Octokit's
   * own retry plugins do not fit: they repeat a request unchanged and wait by this machine's clock. A body that is streamed
   * from disk cannot be sent twice, and after a failed POST the caller must first look up what it has done (`once`).
   */
  #wrapRequests(apiUrl: string): void {
    this.octokit.hook.wrap("request", async (request, options) => {
      const attempt = async () => {
        try {
          const answer = await request(options);
          this.#reached = true;
          if (typeof answer.data === "string" && answer.data !== "") {
            throw new GitHubError("GitHub's answer was cut short", {
              ...{ code: "github-unavailable", fix: "run the same command again", transient: true },
            });
          }
          return answer;
        } catch (error) {
          this.run.signal.throwIfAborted();
          throw failureOf(error, { repository: this.repository, apiUrl });
        }
      };
      return options.request.once ? await attempt() : await this.retry(attempt);
    });
  }

  /**
   * Calls `work` until it succeeds, fails for good, or no attempts are left. If a request inside `work` has used up its own
   * attempts, `work` is not repeated.
   */
  async retry<T>(work: (attempt: number) => Promise<T>): Promise<T> {
    return await retry(work, {
      backoff: this.patience,
      signal: this.run.signal,
      failureOf: (error) => this.#transientFailure(error),
      onWait: (error) => this.run.progress.warn(`${(error as GitHubError).problem}; trying again`),
    });
  }

  /** What a transient failure means for the next attempt; undefined for any other failure. */
  #transientFailure(error: unknown): Failure | undefined {
    if (!(error instanceof GitHubError) || !error.transient) return undefined;
    const unreached = error.status === 0 && !this.#reached;
    return { waitS: error.waitS, ...(unreached ? { attempts: UNREACHED_ATTEMPTS } : {}) };
  }

  /** Waits before the `poll`th repeated read of a list that may be stale. */
  async pause(poll: number): Promise<void> {
    await pause(this.patience, poll, this.run.signal);
  }
}
