import { RequestError } from "@octokit/request-error";
import { errorCode, innermost, PipelineError } from "../../util/error.ts";
import type { ErrorCode } from "../../util/error-codes.ts";
import { proxyVariable } from "../../util/http.ts";
import { retryAfterS } from "../../util/retry.ts";

/** The wait after a rate limit without a given time, seconds. GitHub asks for at least one minute. */
const LIMITED_S = 60;
/** A larger difference between this machine's clock and GitHub's is mentioned in errors, seconds. */
const SKEW_S = 120;

/** A request that GitHub rejected, or that did not reach it. */
export class GitHubError extends PipelineError {
  /** The HTTP status; 0 if there was no response. */
  readonly status: number;
  /** Whether the same request may succeed later. */
  readonly transient: boolean;
  /** How long GitHub asks to wait, seconds. */
  readonly waitS: number | undefined;
  /** GitHub's codes of what is wrong with the request: `already_exists`. */
  readonly codes: readonly string[];

  constructor(
    problem: string,
    answer: Partial<Pick<GitHubError, "status" | "transient" | "waitS" | "codes" | "fix">> & {
      /** @default "github-refused" */
      readonly code?: ErrorCode;
      readonly cause?: unknown;
    },
  ) {
    super(problem, { code: "github-refused", ...answer });
    this.status = answer.status ?? 0;
    this.transient = answer.transient ?? false;
    this.waitS = answer.waitS;
    this.codes = answer.codes ?? [];
  }
}

type Headers = Readonly<Record<string, string | number | undefined>>;

/** Translates a failed request into a GitHubError. Returns any other error unchanged. */
export function failureOf(
  error: unknown,
  { repository, apiUrl }: { repository: string; apiUrl: string },
): unknown {
  if (!(error instanceof RequestError)) return error;
  if (!error.response) return unreachable(error, apiUrl);
  const { status } = error;
  const headers = error.response.headers as Headers;
  const said = sentence(error.message);
  const answer = { status, cause: error };
  const waitS = limit(status, headers, said);
  if (waitS !== undefined) {
    const until = new Date(serverTime(headers) + waitS * 1000).toISOString().slice(11, 16);
    return new GitHubError(`GitHub's rate limit is reached until ${until} UTC (${said})${skew(headers)}`, {
      ...{ ...answer, code: "github-limited", fix: "run the same command again after that" },
      ...{ transient: true, waitS },
    });
  }
  if (status >= 500 || status === 408) {
    return new GitHubError(`GitHub answers ${status} (${said})`, {
      ...{ ...answer, code: "github-unavailable", fix: "run the same command again later", transient: true },
    });
  }
  if (status === 401) {
    return new GitHubError(`GitHub does not accept the token (401 ${said})${skew(headers)}`, {
      ...{ ...answer, code: "github-token", fix: "set GITHUB_TOKEN to a valid token" },
    });
  }
  if (status === 403 && (headers["x-github-sso"] !== undefined || /\bSAML\b/.test(said))) {
    return new GitHubError(
      `the token is not authorised for the organisation of ${repository} (403 ${said})`,
      {
        ...{ ...answer, code: "github-denied" },
        fix: "authorise it for single sign-on (SAML) in the settings of your tokens on GitHub",
      },
    );
  }
  if (status === 403) {
    const needs = String(headers["x-accepted-github-permissions"] ?? "contents=write").split(";")[0]!;
    const lines = needs.split(",").map((each) => each.trim().replace(/_/g, "-").replace("=", ": "));
    return new GitHubError(`the token may not do this in ${repository} (403 ${said})`, {
      ...answer,
      code: "github-denied",
      fix: `it needs ${lines.join(" and ")}; in a workflow, the job's \`permissions: { ${lines.join(", ")} }\``,
    });
  }
  if (status === 404) {
    return new GitHubError(
      `${repository} does not exist on ${apiUrl}, or the token may not see it (404 ${said})`,
      {
        ...answer,
        code: "github-not-found",
        fix:
          "check REPOSITORY in images.ts and GITHUB_REPOSITORY, or set GITHUB_TOKEN to a token with " +
          "`contents: write`",
      },
    );
  }
  return new GitHubError(`GitHub refuses: ${status} ${said}`, {
    ...answer,
    codes: codesOf(error.response.data),
  });
}

/** GitHub's message on one line, without the address of its documentation. */
const sentence = (message: string) =>
  message
    .replace(/ - https?:\S+$/, "")
    .replaceAll("\n", " ")
    .slice(0, 200);

function codesOf(data: unknown): string[] {
  const errors = (data as { errors?: { code?: unknown }[] } | undefined)?.errors;
  return Array.isArray(errors)
    ? errors.flatMap((each) => (typeof each?.code === "string" ? [each.code] : []))
    : [];
}

/** How long to wait after a rate limit, seconds, by GitHub's clock; undefined if the response is not about a rate limit. */
function limit(status: number, headers: Headers, said: string): number | undefined {
  const tooQuick = /rate limit|abuse detection|submitted too quickly/i.test(said);
  if (status !== 403 && status !== 429 && !(status === 422 && tooQuick)) return;
  const after = retryAfterS(headers["retry-after"], serverTime(headers));
  if (after !== undefined) return after;
  if (String(headers["x-ratelimit-remaining"]) === "0") {
    return (
      Math.max(0, Math.ceil(Number(headers["x-ratelimit-reset"]) - serverTime(headers) / 1000)) || LIMITED_S
    );
  }
  return status === 429 || tooQuick ? LIMITED_S : undefined;
}

/** Milliseconds since 1970 by GitHub's clock. */
const serverTime = (headers: Headers) => Date.parse(String(headers.date)) || Date.now();

/** A hint if this machine's clock is wrong, which can be why GitHub rejects a token. */
function skew(headers: Headers): string {
  const seconds = Math.round((Date.now() - serverTime(headers)) / 1000);
  if (Math.abs(seconds) < SKEW_S) return "";
  return `; this machine's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} GitHub's`;
}

/** The error for a request without a response: the network, a proxy or a certificate is the reason. */
function unreachable(error: RequestError, apiUrl: string): GitHubError {
  const reason = innermost(error);
  const code = errorCode(reason) ?? "";
  const proxy = proxyVariable();
  const through = proxy ? `, through the proxy that ${proxy} names` : "";
  const certificate = /CERT|SELF_SIGNED|ISSUER/.test(code);
  const fix = /NOT_YET_VALID|HAS_EXPIRED/.test(code)
    ? `check this machine's clock, which says ${new Date().toISOString()}`
    : certificate
      ? "give the network's CA in NODE_EXTRA_CA_CERTS"
      : "check the network, and run the same command again";
  const said = `${code && !reason.message.includes(code) ? `${code} ` : ""}${reason.message}`;
  return new GitHubError(
    `no answer from ${new URL(error.request?.url ?? apiUrl).origin}${through} (${said})`,
    { ...{ code: "github-unreachable", fix, cause: error, transient: !certificate } },
  );
}
