import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CELLS_PATH, type Cells } from "../../../../pipeline/schema/cells.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { cli } from "../../../support/project.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const [BASE, HEAD, NEWER] = ["a".repeat(40), "b".repeat(40), "c".repeat(40)];

let server: GitHubServer;
let root: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  server.github.tokens.set("comments", { contents: "read", pull_requests: "write" });
  server.github.commits.set(BASE, { [CELLS_PATH]: JSON.stringify(cells), "images.ts": "old" });
  root = sampleCheckout();
  writeFileSync(join(root, ".gitattributes"), `/${CELLS_PATH} linguist-generated text eol=lf\n`);
});
afterEach(() => server.stop());

/** What a person proposes: cells, or any text in their place. */
function propose(head: string, text: string): void {
  server.github.commits.set(head, { [CELLS_PATH]: text, "images.ts": "new" });
  server.github.log.push({ sha: head, message: "", parents: [BASE] });
}
const withCodex = (change: Partial<Cells["cells"][number]>): string =>
  JSON.stringify({
    ...cells,
    cells: cells.cells.map((cell) => (cell.id === "codex-amd64-ubuntu" ? { ...cell, ...change } : cell)),
  });

async function comment(
  head: string,
  event: object = { number: 7, base: { sha: BASE }, head: { sha: head } },
) {
  const path = join(root, "event.json");
  writeFileSync(path, JSON.stringify({ pull_request: event }));
  return await cli(root, ["plan", "--comment"], {
    env: {
      ...{ GITHUB_ACTIONS: "", GITHUB_OUTPUT: "", GITHUB_STEP_SUMMARY: "", GITHUB_EVENT_PATH: path },
      ...{ http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "" },
      ...{
        GITHUB_TOKEN: "comments",
        GITHUB_API_URL: server.url,
        GITHUB_REPOSITORY: server.github.repository,
      },
    },
  });
}

it("a pull request gets one comment, which follows its commits", async () => {
  propose(HEAD, withCodex({ inputs: "f".repeat(64), made_from: { "@openai/codex": "0.170.0" } }));
  const { stdout, stderr, exitCode } = await comment(HEAD);
  expect([exitCode, stdout], stderr).toEqual([0, expect.stringMatching(/pull\/7#issuecomment-\d+\n$/)]);
  const [first] = server.github.comments;
  expect(first!.body).toContain("- With other inputs (1): codex on ubuntu (amd64)\n");
  expect(first!.body).toContain("- `@openai/codex` `0.169.0` -> `0.170.0`\n");
  // The declaration itself is not generated.
  expect(first!.body).toContain("**Generated files**\n\n- `out/cells.json`\n\nRead");

  propose(NEWER, JSON.stringify(cells));
  const again = await comment(NEWER);
  expect([again.exitCode, again.stdout]).toEqual([0, stdout]);
  expect(server.github.comments).toEqual([
    { ...first, body: expect.stringContaining("No published cell changes.") },
  ]);
});

it("one that publishes nothing new gets none", async () => {
  propose(HEAD, JSON.stringify(cells));
  expect(await comment(HEAD)).toMatchObject({ exitCode: 0, stdout: "" });
  expect(server.github.comments).toEqual([]);
});

it.each([
  ["no JSON", "@everyone # `x`", /: `` it is not JSON: .*@everyone # `x`.* ``\n/],
  ["cells with an id that is markup", withCodex({ id: "<img>" }), /: `the id of a cell is not valid`\n/],
  ["a tag that is markup", JSON.stringify({ ...cells, tag: "x\n# y" }), /: `the tag is not valid`\n/],
])("one with %s is told so, as data", async (_, text, shown) => {
  propose(HEAD, text);
  expect((await comment(HEAD)).exitCode).toBe(0);
  expect(server.github.comments[0]!.body).toMatch(shown);
});

it("outside of a pull request it is an error", async () => {
  expect(await comment(HEAD, { number: "7" })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining(
      "error: --comment is for a workflow that runs for a pull request: use the ",
    ),
  });
});
