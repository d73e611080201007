import { RequestError } from "@octokit/request-error";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GitHubClient } from "../../../../pipeline/stores/github/client.ts";
import { failureOf, type GitHubError } from "../../../../pipeline/stores/github/failure.ts";
import { silentRun } from "../../../support/silent.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const WHERE = { repository: "example/images", apiUrl: "https://api.example.org" };
const request = { method: "GET" as const, url: "https://api.example.org/repos/x", headers: {} };

/** What a request comes to that GitHub has answered so. */
function answered(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  data: unknown = {},
): GitHubError {
  vi.useFakeTimers({ now: NOW, toFake: ["Date"] });
  try {
    const response = { status, url: request.url, headers, data, retryCount: 0 };
    return failureOf(new RequestError(message, status, { request, response }), WHERE) as GitHubError;
  } finally {
    vi.useRealTimers();
  }
}

/** What a request comes to that nobody has answered. */
function unanswered(reason: Error): GitHubError {
  return failureOf(new RequestError("fetch failed", 500, { request, cause: reason }), WHERE) as GitHubError;
}

const coded = (code: string, message = "it failed") => Object.assign(new Error(message), { code });

describe("what GitHub refuses for now is tried again when it asks for it", () => {
  const limited = (status: number, headers: Readonly<Record<string, string>>, message = "no") =>
    answered(status, message, { date: new Date(NOW).toUTCString(), ...headers });
  const exceeded = (resetS: number) => ({
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": String(NOW / 1000 + resetS),
  });

  it.each<[string, number, Record<string, string>, number]>([
    ["after as many seconds as it says", 403, { "retry-after": "7" }, 7],
    ["at once, where it says so", 429, { "retry-after": "0" }, 0],
    ["after a minute, where what it says is no number", 429, { "retry-after": "soon" }, 60],
    ["after a minute, where it says nothing", 429, {}, 60],
    ["when the limit is lifted", 403, exceeded(90), 90],
    ["after a minute, where the limit should be lifted already", 403, exceeded(-5), 60],
    ["after a minute, where it does not say when", 403, { "x-ratelimit-remaining": "0" }, 60],
    [
      "by its own clock, not by ours",
      403,
      { ...exceeded(3690), date: new Date(NOW + 3600_000).toUTCString() },
      90,
    ],
  ])("%s", (_, status, headers, waitS) => {
    expect(limited(status, headers)).toMatchObject({ transient: true, waitS, status });
  });

  it("after a minute, where only its message speaks of a limit", () => {
    const { waitS } = limited(403, {}, "You have exceeded a secondary Rate Limit");
    expect(waitS).toBe(60);
  });

  it.each([
    [403, "You have triggered an abuse detection mechanism. Please retry your request again later."],
    [422, 'Validation Failed: {"resource":"Release","code":"custom","message":"was submitted too quickly"}'],
  ])("after a minute, where a %d says: %s", (status, message) => {
    expect(limited(status, {}, message)).toMatchObject({
      transient: true,
      waitS: 60,
      code: "github-limited",
    });
  });

  it("and the reader is told until when", () => {
    expect(limited(403, exceeded(90), "API rate limit exceeded").message).toBe(
      "GitHub's rate limit is reached until 10:01 UTC (API rate limit exceeded): run the same command again after that",
    );
  });

  it("which is no limit where something is left of it", () => {
    expect(limited(403, { ...exceeded(90), "x-ratelimit-remaining": "9" })).toMatchObject({
      transient: false,
      waitS: undefined,
    });
  });

  it("and other statuses have no limit, whatever their headers say", () => {
    expect(limited(404, { "retry-after": "7" }).waitS).toBeUndefined();
    expect(limited(502, { "retry-after": "7" }).waitS).toBeUndefined();
  });
});

describe("what GitHub answers is put into one line that says what to do", () => {
  it.each<[number, boolean]>([
    [408, true],
    [500, true],
    [503, true],
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [409, false],
    [422, false],
    [499, false],
  ])("%d is worth another try: %s", (status, transient) => {
    expect(answered(status, "no")).toMatchObject({ status, transient, waitS: undefined });
  });

  it("without the address of its documentation, without line ends, and not endlessly", () => {
    for (const address of ["https://docs.example.org/x", "http://docs.example.org/x"]) {
      const { message } = answered(500, `It\nbroke - ${address}`);
      expect(message).toBe("GitHub answers 500 (It broke): run the same command again later");
    }
    expect(answered(422, "See https://x.example.org - not here").message).toBe(
      "GitHub refuses: 422 See https://x.example.org - not here",
    );
    expect(answered(422, "see - https://x.example.org for it").message).toContain(
      "see - https://x.example.org for",
    );
    expect(answered(422, "x".repeat(5000)).message.length).toBeLessThan(300);
  });

  it("names each permission that is missing, as a workflow writes it", () => {
    const permissions = {
      "x-accepted-github-permissions": "contents=write, pull_requests=write; issues=read",
    };
    expect(answered(403, "Resource not accessible", permissions).message).toBe(
      "the token may not do this in example/images (403 Resource not accessible): it needs contents: write and " +
        "pull-requests: write; in a workflow, the job's `permissions: { contents: write, pull-requests: write }`",
    );
    expect(answered(403, "no").message).toContain("it needs contents: write;");
  });

  it.each([
    ["Resource protected by organization SAML enforcement.", {}],
    [
      "Forbidden",
      { "x-github-sso": "required; url=https://github.com/orgs/example/sso?authorization_request=x" },
    ],
  ])("tells a token that single sign-on refuses from one without permission: %s", (said, headers) => {
    const { message, code, transient } = answered(403, said, headers);
    expect(message).toBe(
      `the token is not authorised for the organisation of example/images (403 ${said}): ` +
        "authorise it for single sign-on (SAML) in the settings of your tokens on GitHub",
    );
    expect([code, transient]).toEqual(["github-denied", false]);
  });

  it("says where it has looked for a repository that is not there", () => {
    expect(answered(404, "Not Found").message).toMatch(
      /^example\/images does not exist on https:\/\/api\.example\.org, or the token may not see it \(404 Not Found\): check .*GITHUB_TOKEN/,
    );
  });

  it.each([
    ["two minutes ahead of", -120],
    ["two minutes behind", 120],
  ])("says that this machine's clock is %s GitHub's", (what, seconds) => {
    const date = new Date(NOW + seconds * 1000).toUTCString();
    const direction = what.split(" ").slice(2).join(" ");
    expect(answered(401, "Bad credentials", { date }).message).toBe(
      `GitHub does not accept the token (401 Bad credentials); this machine's clock is 120 s ${direction} GitHub's: ` +
        "set GITHUB_TOKEN to a valid token",
    );
  });

  it("says nothing of a clock that is right to the minute", () => {
    const date = new Date(NOW + 119_000).toUTCString();
    expect(answered(401, "Bad credentials", { date }).message).not.toContain("clock");
  });

  it("keeps the codes of a refusal, and nothing else that may be there", () => {
    const data = { errors: [{ code: "already_exists" }, { code: 7 }, null, "text"] };
    expect(answered(422, "no", {}, data).codes).toEqual(["already_exists"]);
    for (const other of [undefined, null, "text", { errors: "text" }, {}]) {
      expect(answered(422, "no", {}, other).codes).toEqual([]);
    }
  });

  it("leaves errors alone that are none of GitHub's", () => {
    const error = new Error("of ours");
    expect(failureOf(error, WHERE)).toBe(error);
  });
});

describe("where nobody answers, the line says", () => {
  beforeEach(() => {
    for (const name of ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]) vi.stubEnv(name, "");
  });
  afterEach(() => vi.unstubAllEnvs());

  it("who did not, why, and that trying again may help", () => {
    const error = unanswered(coded("ECONNREFUSED"));
    expect(error.message).toBe(
      "no answer from https://api.example.org (ECONNREFUSED it failed): check the network, and run the same command again",
    );
    expect(error).toMatchObject({ transient: true, status: 0, codes: [] });
  });

  it("a code once", () => {
    expect(unanswered(coded("ENOTFOUND", "getaddrinfo ENOTFOUND x")).message).toContain(
      "(getaddrinfo ENOTFOUND x)",
    );
    expect(unanswered(new Error("no code")).message).toContain("(no code)");
    expect(unanswered(Object.assign(new Error("odd"), { code: 7 })).message).toContain(" (odd): ");
  });

  it.each(["CERT_SIGNATURE_FAILURE", "DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"])(
    "how a certificate authority is given, for %s, and does not try again",
    (code) => {
      const error = unanswered(coded(code));
      expect(error.message).toMatch(/: give the network's CA in NODE_EXTRA_CA_CERTS$/);
      expect(error.transient).toBe(false);
    },
  );

  it.each(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"])("what this machine's clock says, for %s", (code) => {
    expect(unanswered(coded(code)).message).toMatch(/: check this machine's clock, which says 20\d\d-/);
  });

  it("through which proxy it went", () => {
    vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:9");
    expect(unanswered(coded("ECONNREFUSED")).message).toContain(
      ", through the proxy that HTTPS_PROXY names (",
    );
  });
});

describe("GitHub is not talked to at all", () => {
  const client = (options: object) => () =>
    new GitHubClient({ token: "t", repository: "a/b", ...options }, silentRun());

  it("without a token, unless reading is enough", () => {
    expect(client({ token: undefined })).toThrow(
      /^GITHUB_TOKEN is not set: .*`contents: write`.*GITHUB_TOKEN:/,
    );
    expect(client({ token: "" })).toThrow(/^GITHUB_TOKEN is not set/);
    expect(client({ token: undefined, anonymous: true })).not.toThrow();
  });

  it.each(["a b", "token\n", "tök", "\ttoken"])("with a token like %j, and does not repeat it", (token) => {
    expect(client({ token })).toThrow(
      /^GITHUB_TOKEN contains a space, a line break or a character that no token has: /,
    );
    expect(client({ token })).not.toThrow(token);
  });

  it.each(["a/.github", ".a/b", "a.b/c-d_e", "a/..b"])("but for a repository called %s", (repository) => {
    expect(client({ repository })).not.toThrow();
  });

  it.each(["../b", "./b", "a/..", "a/.", "images", "a/b/c", "a/", "/b", "a b/c", "a/b c", ""])(
    "for a repository called %j",
    (repository) => {
      expect(client({ repository })).toThrow(`GITHUB_REPOSITORY "${repository}" is not owner/name`);
    },
  );

  it.each(["api.example.org", "ftp://api.example.org", "xhttp://x", "httpsx://x", ""])(
    "at an address like %j",
    (apiUrl) => {
      expect(client({ apiUrl })).toThrow(`GITHUB_API_URL "${apiUrl}" is not an http(s) address`);
    },
  );

  it("but at an address of either scheme, with or without a slash at its end", () => {
    for (const apiUrl of ["http://127.0.0.1:1/api", "https://api.example.org/", "https://x.example.org///"]) {
      expect(client({ apiUrl })().octokit.request.endpoint("GET /x").url).toBe(
        `${apiUrl.replace(/\/*$/, "")}/x`,
      );
    }
    expect(client({})().octokit.request.endpoint("GET /x").url).toBe("https://api.github.com/x");
  });
});
