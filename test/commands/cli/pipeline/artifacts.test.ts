import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stagedFilesOf } from "../../../../pipeline/schema/kinds/index.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { stage } from "../../../support/github/staging.ts";
import { cli } from "../../../support/project.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const CODEX = "codex-amd64-ubuntu";

let server: GitHubServer;
let root: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  root = sampleCheckout();
  for (const cell of cells.cells.filter(({ published }) => published))
    stage({ ...cells, cells: [cell] }, join(root, `staged/cell-${cell.id}`));
});
afterEach(() => server.stop());

const release = (...words: string[]) =>
  cli(root, ["release", ...words], {
    env: {
      ...{ GITHUB_ACTIONS: "", GITHUB_OUTPUT: "", GITHUB_STEP_SUMMARY: "", GITHUB_SHA: "" },
      ...{ http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "" },
      ...{ GITHUB_TOKEN: "good", GITHUB_API_URL: server.url, GITHUB_REPOSITORY: server.github.repository },
    },
  });
const publish = (...words: string[]) =>
  release("publish", "--store", "github", "--artifacts", "staged", ...words);
const uploads = () => server.requests.filter((request) => /^POST .*\/assets$/.test(request)).length;
const here = (path: string) => join(root, path);
/** Each asset, the inventories, the manifest and the sums. */
const FILES = 48;

describe("the artifacts of a run", () => {
  it("are published as a whole, and publishing them again completes the run", async () => {
    const first = await publish("--final");
    expect(first.exitCode, first.stderr).toBe(0);
    expect(server.github.releases).toMatchObject([{ tag: cells.tag, draft: false }]);
    expect([uploads(), server.github.releases[0]!.assets.length]).toEqual([FILES, FILES]);
    rmSync(here("images.lock.json"));

    // As if the job had failed behind "make public": it is run again, from the same artifacts.
    const again = await publish("--final");
    expect(again.exitCode, again.stderr).toBe(0);
    expect(uploads()).toBe(FILES);

    // Digests are proposed from a directory, and nothing else of it is believed.
    mkdirSync(here("recorded/out"), { recursive: true });
    renameSync(here("images.lock.json"), here("recorded/images.lock.json"));
    writeFileSync(here("recorded/out/manifest.json"), '{"planted": true}');
    const proposed = await release("propose", "--recorded", "recorded");
    expect(proposed.exitCode, proposed.stderr).toBe(0);
    const files = server.github.branches.get(`recorded/${cells.tag}`)!;
    expect(files["out/manifest.json"]).toBe(
      server.github.contents(server.github.releases[0]!)["manifest.json"],
    );

    const digests = JSON.parse(readFileSync(here("recorded/images.lock.json"), "utf8"));
    delete digests.assets[Object.keys(digests.assets)[0]!];
    writeFileSync(here("recorded/images.lock.json"), JSON.stringify(digests));
    const refused = await release("propose", "--recorded", "recorded");
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining(`images.lock.json has 23 assets that are not those of ${cells.tag}`),
    ]);
  });

  it("of which one is missing change nothing, and are published when it is there", async () => {
    const artifact = here(`staged/cell-${CODEX}`);
    renameSync(artifact, here("later"));
    const refused = await publish();
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toMatch(new RegExp(`^${CODEX}-rootfs\\.ext4\\.zst: not staged in .*\n$`));
    expect(refused.stderr).toContain(`${cells.tag} is not published, and nothing was changed: 1 problems\n`);
    expect(server.github.releases).toEqual([]);
    renameSync(here("later"), artifact);
    const published = await publish();
    expect(published.exitCode, published.stderr).toBe(0);
    expect(server.github.releases).toMatchObject([{ draft: true }]);
  });

  it("of which one holds the files of another cell change nothing", async () => {
    const codex = cells.cells.find(({ id }) => id === CODEX)!;
    for (const name of stagedFilesOf(codex))
      cpSync(here(`staged/cell-${CODEX}/${name}`), here(`staged/cell-pi-amd64-ubuntu/${name}`));
    const refused = await publish();
    expect([refused.exitCode, refused.stdout.trim().split("\n").length]).toEqual([1, 3]);
    expect(refused.stdout).toContain(`cell-pi-amd64-ubuntu: ${codex.assets[0]} is not a file of this cell\n`);
    expect(server.github.releases).toEqual([]);
  });

  it("are not uploaded to a draft with a file that no cell makes, until it is emptied", async () => {
    const draft = server.github.addRelease(cells.tag);
    server.github.addAsset(draft, "notes.txt", "hello");
    const refused = await publish();
    expect([refused.exitCode, refused.stdout]).toEqual([
      1,
      "notes.txt: on the release, but no cell makes it\n",
    ]);
    expect(refused.stderr).toContain("is not published, and nothing was uploaded: 1 problems\n");
    expect(uploads()).toBe(0);
    const published = await publish("--empty");
    expect(published.exitCode, published.stderr).toBe(0);
    expect(draft.assets).toHaveLength(FILES);
  });

  it("are what --empty is for", async () => {
    const { exitCode, stderr } = await release("publish", "--store", "github", "--empty");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining("error: --empty has no effect without --artifacts: "),
    ]);
  });
});
