import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GitHubClient, PATIENCE } from "../../../../pipeline/stores/github/client.ts";
import { keepComment, pullChange, textAt } from "../../../../pipeline/stores/github/pull.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { silentRun } from "../../../support/silent.ts";

const FAST = {
  ...PATIENCE,
  attempts: 3,
  polls: 2,
  firstMs: 0.1,
  longestMs: 1,
  secondMs: 0.05,
  silenceMs: 400,
};
const [BASE, HEAD] = ["a".repeat(40), "b".repeat(40)];

let server: GitHubServer;
let client: GitHubClient;
beforeEach(async () => {
  server = await GitHubServer.start();
  const { repository, tokens } = server.github;
  tokens.set("good", { contents: "read", pull_requests: "write" });
  client = new GitHubClient({ token: "good", repository, apiUrl: server.url, patience: FAST }, silentRun());
});
afterEach(() => server.stop());

it("a pull request changes the files that are different from where it left the base branch", async () => {
  const { commits, log } = server.github;
  commits.set(BASE, { same: "1", gone: "1", "out/cells.json": "old ü" });
  commits.set(HEAD, { same: "1", new: "1", "out/cells.json": "new" });
  log.push({ sha: HEAD, message: "", parents: [BASE] });
  expect(await pullChange(client, { base: "c".repeat(40), head: HEAD })).toEqual({
    ...{ from: BASE, files: ["gone", "new", "out/cells.json"] },
  });
  const at = (commit: string, path: string, most = 6) => textAt(client, commit, { path, most });
  expect(await at(BASE, "out/cells.json")).toBe("old ü");
  expect(await at(BASE, "new")).toBeUndefined();
  await expect(at(BASE, "out/cells.json", 5)).rejects.toThrow("it is larger than 5 bytes");
});

describe("the comment", () => {
  const MARK = "<!-- mark -->";
  const keep = (body: string, create = true) => keepComment(client, 7, { mark: MARK, body, create });
  const texts = () => server.github.comments.map(({ number, body }) => [number, body]);
  const writes = () => server.requests.filter((each) => /^(POST|PATCH) /.test(each)).length;

  it("is one, which is updated, and not written again where it is the same", async () => {
    const url = await keep("one");
    expect(texts()).toEqual([[7, `one\n\n${MARK}\n`]]);
    expect(await keep("two")).toBe(url);
    expect(texts()).toEqual([[7, `two\n\n${MARK}\n`]]);
    const before = writes();
    server.github.comments[0]!.body = `two\r\n\r\n${MARK}`;
    await keep("two");
    expect(writes()).toBe(before);
  });

  it("is found among many, and nobody else's is taken for it", async () => {
    const others = Array.from({ length: 150 }, (_, at) => ({
      id: 1000 + at,
      number: 7,
      user: "someone",
      body: `${MARK} ${at}`,
    }));
    server.github.comments.push(...others);
    await keep("one");
    await keep("two");
    expect(server.github.comments).toHaveLength(151);
    expect(server.github.comments.at(-1)!.body).toContain("two");
    expect(server.github.comments.slice(0, 150)).toEqual(others);
  });

  it("is not made where there is nothing to say, but one that is there is kept up to date", async () => {
    expect(await keep("nothing", false)).toBeUndefined();
    expect(texts()).toEqual([]);
    await keep("one");
    await keep("nothing", false);
    expect(texts()).toEqual([[7, `nothing\n\n${MARK}\n`]]);
  });

  it("is not written twice where the answer was lost", async () => {
    server.faults.add({ on: "create-comment", failure: { kind: "reset", when: "after" } });
    expect(await keep("one")).toMatch(/#issuecomment-\d+$/);
    expect(texts()).toHaveLength(1);
  });

  it("needs the permission to write on pull requests", async () => {
    server.github.tokens.set("good", { contents: "read", pull_requests: "read" });
    await expect(keep("one")).rejects.toMatchObject({ code: "github-denied" });
  });
});
