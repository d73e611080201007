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
  /** Whether reading what is public will do, for which no token is needed. @default false */
  readonly anonymous?: boolean;
  /** @default https://api.github.com */
  readonly apiUrl?: string | undefined;
  /** How patient it is. @default PATIENCE */
  readonly patience?: Patience | undefined;
}

/** How long is waited for GitHub, and how often: a request, or an upload, is tried `attempts` times. */
export interface Patience extends Backoff {
  /** How often a list that may be stale is read again. */
  readonly polls: number;
  /** How long a connection may be silent, ms. */
  readonly silenceMs: number;
}

/** An address that has never answered is tried so often. */
const UNREACHED_ATTEMPTS = 3;

/** About two minutes in all, which is how long GitHub's lists have been seen stale. */
export const PATIENCE: Patience = {
  attempts: 7,
  polls: 7,
  firstMs: 1000,
  longestMs: 60_000,
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
      userAgent: USER_AGENT,
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
   * Does `work` until it succeeds, or fails in a way that waiting does not help. A request in it that was tried often
   * enough is not tried again.
   */
  async retry<T>(work: (attempt: number) => Promise<T>): Promise<T> {
    return await retry(work, {
      backoff: this.patience,
      signal: this.run.signal,
      failureOf: (error) => this.#passing(error),
      onWait: (error) => this.run.progress.warn(`${(error as GitHubError).problem}; trying again`),
    });
  }

  /** What a failure that may pass means for the next attempt; undefined for any other. */
  #passing(error: unknown): Failure | undefined {
    if (!(error instanceof GitHubError) || !error.transient) return undefined;
    const unreached = error.status === 0 && !this.#reached;
    return { waitS: error.waitS, ...(unreached ? { attempts: UNREACHED_ATTEMPTS } : {}) };
  }

  /** Waits before a list that may be stale is read again, for the `poll`th time. */
  async pause(poll: number): Promise<void> {
    await pause(this.patience, poll, this.run.signal);
  }
}
