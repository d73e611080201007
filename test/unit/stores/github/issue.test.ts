import { afterEach, beforeEach, expect, it } from "vitest";
import { GitHubClient, PATIENCE } from "../../../../pipeline/stores/github/client.ts";
import { keepIssue } from "../../../../pipeline/stores/github/issue.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { recordedRun } from "../../../support/run.ts";

let server: GitHubServer;
let client: GitHubClient;
beforeEach(async () => {
  server = await GitHubServer.start();
  const { repository } = server.github;
  const patience = { ...PATIENCE, attempts: 3, firstMs: 0.1, longestMs: 1 };
  client = new GitHubClient({ token: "good", repository, apiUrl: server.url, patience }, recordedRun());
});
afterEach(() => server.stop());

const issue = { label: "l", mark: "<!-- ours -->", title: "Old", body: "Something.", open: true };
const writes = () => server.requests.filter((request) => /^(POST|PATCH) /.test(request)).length;

it("is opened once, written only where it differs, closed, and opened again", async () => {
  expect(await keepIssue(client, { ...issue, open: false })).toBeUndefined();
  const first = await keepIssue(client, issue);
  expect(first).toBe("https://github.com/example/images/issues/1001");
  expect(server.github.issues).toMatchObject([
    { title: "Old", body: "Something.\n\n<!-- ours -->\n", labels: ["l"], open: true },
  ]);
  expect(await keepIssue(client, issue)).toBe(first);
  expect(writes()).toBe(1);
  for (const [at, open] of [false, true].entries()) {
    const wanted = { ...issue, title: `New ${at}`, body: `Other ${at}.`, open };
    expect(await keepIssue(client, wanted)).toBe(first);
    expect(server.github.issues).toMatchObject([{ title: wanted.title, open }]);
    expect(server.github.issues[0]!.body).toContain(wanted.body);
  }
  expect(writes()).toBe(3);
});

it("is found where GitHub's answer to its creation is lost", async () => {
  server.faults.add({ on: "create-issue", failure: { kind: "status", status: 502, when: "after" } });
  expect(await keepIssue(client, issue)).toMatch(/\/issues\/1001$/);
  expect(server.github.issues).toHaveLength(1);
});

it.each([
  ["without the label", { labels: [], body: issue.mark }],
  ["without the mark", { labels: ["l"], body: "mine" }],
])("is not another one, %s", async (_, more) => {
  const theirs = { number: 7, title: "Theirs", open: true, ...more };
  server.github.issues.push({ ...theirs });
  await keepIssue(client, { ...issue, open: false });
  expect(server.github.issues).toEqual([theirs]);
});

it("says which permission is missing", async () => {
  server.github.tokens.set("good", { contents: "write", pull_requests: "write" });
  await expect(keepIssue(client, issue)).rejects.toThrow("permissions: { issues: write }");
});
