import { setTimeout } from "node:timers/promises";
import { Octokit } from "@octokit/rest";
import { PipelineError } from "../../util/error.ts";
import { proxiedFetch } from "../../util/http.ts";
import type { Run } from "../../util/progress.ts";
import { checkApiUrl } from "./api-url.ts";
import { failureOf, GitHubError } from "./failure.ts";

export interface GitHubOptions {
  readonly token: string | undefined;
  /** `owner/name`. */
  readonly repository: string;
  /** Whether reading what is public will do, for which no token is needed. @default false */
  readonly anonymous?: boolean;
  /** @default https://api.github.com */
  readonly apiUrl?: string | undefined;
  /** How patient it is. @default PATIENCE */
  readonly patience?: Patience | undefined;
}

/** How long is waited for GitHub, and how often. */
export interface Patience {
  /** How often a request, or an upload, is tried. */
  readonly attempts: number;
  /** How often a list that may be stale is read again. */
  readonly polls: number;
  /** The first wait; each further one is twice as long, up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** How long a second is that GitHub asks to wait. */
  readonly secondMs: number;
  /** The longest that GitHub may ask to wait, seconds. */
  readonly limitS: number;
  /** How long a connection may be silent. */
  readonly silenceMs: number;
}

/** About two minutes in all, which is how long GitHub's lists have been seen stale. */
export const PATIENCE: Patience = {
  attempts: 7,
  polls: 7,
  firstMs: 1000,
  longestMs: 60_000,
  secondMs: 1000,
  limitS: 15 * 60,
  silenceMs: 120_000,
};

/** One repository on GitHub, and the one way to talk to it. */
export class GitHubClient {
  readonly octokit: Octokit;
  /** The coordinates that every request needs. */
  readonly repo: { readonly owner: string; readonly repo: string };
  readonly repository: string;
  readonly patience: Patience;
  readonly run: Run;
  /** Whether GitHub has answered at all: an address that never did is not waited for long. */
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
      throw new PipelineError("GITHUB_TOKEN holds a space, a line break or a letter that no token has", {
        ...{ code: "github-token", fix: "set it to the token alone" },
      });
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
      userAgent: "smolvm-images",
      request: { fetch: proxiedFetch(patience.silenceMs), signal: run.signal },
      log: { debug() {}, info() {}, warn: (line: string) => run.progress.warn(line), error() {} },
    });
    this.#holdPolicy(apiUrl);
  }

  /**
   * Every request goes through here: a failure is put into words, and one that may pass is tried again. Octokit's own
   * plugins for this repeat a request as it was: a body that is streamed from disk cannot be, what a POST has done
   * must be looked up first (`once`), and they would wait by this machine's clock.
   */
  #holdPolicy(apiUrl: string): void {
    this.octokit.hook.wrap("request", async (request, options) => {
      for (let attempt = 1; ; attempt++) {
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
          const failure = failureOf(error, { repository: this.repository, apiUrl });
          if (options.request.once || !(await this.wait(failure, attempt))) throw failure;
        }
      }
    });
  }

  /** Waits until a failed attempt is worth another one; false where it is not. */
  async wait(failure: unknown, attempt: number): Promise<boolean> {
    if (!(failure instanceof GitHubError) || !failure.transient) return false;
    const { attempts, limitS } = this.patience;
    const most = failure.status === 0 && !this.#reached ? Math.min(attempts, 3) : attempts;
    if (attempt >= most || (failure.waitS ?? 0) > limitS) return false;
    this.run.progress.warn(`${failure.problem}; trying again`);
    await this.pause(attempt, failure.waitS);
    return true;
  }

  /** Waits before the `attempt`th try is followed by another, at least as long as GitHub asks. */
  async pause(attempt: number, waitS = 0): Promise<void> {
    const { firstMs, longestMs, secondMs } = this.patience;
    const backoff = Math.min(longestMs, firstMs * 2 ** (attempt - 1));
    // Jobs that were told to wait for the same time do not come back together.
    const jitter = 1 + Math.random() / 4;
    await setTimeout(Math.max(backoff, waitS * secondMs) * jitter, undefined, { signal: this.run.signal });
  }
}
