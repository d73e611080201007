import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CELLS_PATH, type Cells } from "../../../../pipeline/schema/cells.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { Publisher } from "../../../support/github/staging.ts";
import { cli } from "../../../support/project.ts";
import { type Said, stageContents } from "../../../support/release-contents.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const EARLIER = "images-v6.9.0";
const STORE = `out/release/${cells.tag}`;
const CODEX = "codex-amd64-ubuntu";

const openssl = (version: string) => ({ type: "deb" as const, name: "openssl", version });
const codex = (version: string) => ({ type: "npm" as const, name: "@openai/codex", version });
/** Every image has openssl; codex on Ubuntu (amd64) became larger and slower. */
const before = ({ kind, id }: Cells["cells"][number]): Said =>
  kind === "kernel" ? {} : { packages: [openssl("3.5.1"), ...(id === CODEX ? [codex("0.168.0")] : [])] };
const after = ({ kind, id }: Cells["cells"][number], asset: string): Said => ({
  ...(kind === "kernel" ? {} : { packages: [openssl("3.5.2"), ...(id === CODEX ? [codex("0.169.0")] : [])] }),
  ...(id === CODEX ? { bytes: `more bytes of ${asset} `.repeat(100), ms: 7000 } : {}),
});

let server: GitHubServer;
let root: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  root = sampleCheckout();
  stageContents(cells, join(root, STORE), after);
  stageContents({ ...cells, tag: EARLIER }, join(root, "out/release", EARLIER), before);
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
/** Declares limits of regressions, and what is accepted. */
function declare(accepts: readonly object[] = []): void {
  const path = join(root, CELLS_PATH);
  const declared = JSON.parse(readFileSync(path, "utf8"));
  const regressions = { size_percent: 10, boot_percent: 30, accepts };
  writeFileSync(path, JSON.stringify({ ...declared, regressions }));
}
const accepted = ["size", "boot"].map((what) => ({ cell: CODEX, what, tag: cells.tag, reason: "voice" }));

describe("release diff", () => {
  it("prints the differences of two directories as Markdown of at most 80 columns, or as JSON", async () => {
    const { stdout, stderr, exitCode } = await release("diff", EARLIER, cells.tag);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(new RegExp(`^## Changes from ${EARLIER} to ${cells.tag}\n`));
    expect(stdout).toContain("Cells: 1 changed, 0 added, 0 removed, 21 with the same bytes.\n");
    expect(stdout).toMatch(/^\| `codex-amd64-ubuntu` \| +\d+ kB \| \+\d+\.\d % \| 7\.0 s \| \+100\.0 % \|$/m);
    // Once, for the twenty images that have it.
    expect(stdout.match(/^- deb `openssl` `3\.5\.1` -> `3\.5\.2`$/gm)).toHaveLength(1);
    expect(stdout).toContain("In codex on ubuntu (amd64):\n\n- npm `@openai/codex` `0.168.0` -> `0.169.0`\n");
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);

    const json = await release("diff", `./${STORE}/../${EARLIER}`, `./${STORE}`, "--json");
    const diff = JSON.parse(json.stdout);
    expect(diff).toMatchObject({
      ...{ schema_version: 1, from: EARLIER, to: cells.tag, pins: [], files: [], regressions: [] },
      assets: [{ cell: CODEX, boot_ms: { from: 3500, to: 7000 } }],
    });
    expect(diff.packages.map((group: { cells: string[] }) => group.cells.length)).toEqual([20, 1]);
  });

  it("with --check says no to a regression that is not accepted by name", async () => {
    declare();
    const marked = await release("diff", EARLIER, cells.tag);
    expect([marked.exitCode, marked.stderr]).toEqual([
      0,
      expect.stringContaining("2 regressions are not accepted in images.ts\n"),
    ]);
    expect(marked.stdout).toMatch(
      /^- `codex-amd64-ubuntu: size .* limit 10 %\)`,\n {2}\*\*not accepted\*\*$/m,
    );
    expect(marked.stdout).toMatch(/^\| `codex-amd64-ubuntu` .* \+100\.0 % ! \|$/m);
    expect((await release("diff", EARLIER, cells.tag, "--check")).exitCode).toBe(1);
    declare(accepted);
    const taken = await release("diff", EARLIER, cells.tag, "--check");
    expect([taken.exitCode, taken.stdout]).toEqual([0, expect.stringContaining(",\n  accepted: `voice`\n")]);
  });

  it.each<[string, string, string]>([
    [
      EARLIER,
      "images-v1",
      `unknown release "images-v1" on ${STORE}; one of: ${EARLIER}, ${cells.tag}: add --store github for releases on GitHub, or give a directory`,
    ],
    [
      EARLIER,
      EARLIER,
      `${EARLIER} and ${EARLIER} are the same release (out/release/${EARLIER}): name two releases`,
    ],
    [
      cells.tag,
      `./${STORE}`,
      `${cells.tag} and ./${STORE} are the same release (${STORE}): name two releases`,
    ],
    [
      EARLIER,
      "./nowhere",
      "there is no directory ./nowhere: give one with staged cells, or with the files of a release",
    ],
    [
      EARLIER,
      "./out",
      "there is no release in ./out: give a directory with staged cells, or with the files of a release",
    ],
    [
      EARLIER,
      "draft",
      `"draft" is a release on GitHub, and ${STORE} is a directory: add --store github, or give the directory itself`,
    ],
  ])("of %s and %s is an error", async (a, b, message) => {
    const { stdout, stderr, exitCode } = await release("diff", a, b);
    expect([exitCode, stdout, stderr]).toEqual([2, "", expect.stringContaining(`error: ${message}\n`)]);
  });
});

describe("on GitHub", () => {
  const github = ["--store", "github"];
  /** Publishes the earlier release, and uploads the assets of the present one to a draft. */
  async function prepared(): Promise<void> {
    const publisher = new Publisher(server, { ...cells, tag: EARLIER }, join(root, "out/release", EARLIER));
    await publisher.all();
    writeFileSync(join(root, "images.lock.json"), JSON.stringify(publisher.recorded));
    const next = new Publisher(server, cells, join(root, STORE));
    await next.upload(await next.prepare());
  }
  const draft = () => server.github.releases.find(({ tag }) => tag === cells.tag)!;

  it("a regression is refused at the gate, and published when it is accepted; the draft says what has changed", async () => {
    await prepared();
    declare();
    const refused = await release("publish", ...github);
    expect([refused.exitCode, refused.stdout.trim().split("\n")]).toEqual([
      1,
      ["size", "boot"].map((what) =>
        expect.stringContaining(
          `since ${EARLIER}: make it better, or add { cell: "${CODEX}", what: "${what}", tag: "${cells.tag}", `,
        ),
      ),
    ]);
    expect(draft().body).not.toContain("Changes");

    declare(accepted);
    const published = await release("publish", ...github);
    expect(published.exitCode, published.stderr).toBe(0);
    const { stdout, exitCode } = await release("diff", EARLIER, "draft", ...github);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("- deb `openssl` `3.5.1` -> `3.5.2`\n")]);
    expect(draft().body).toMatch(
      /^Root file systems and kernels; [\s\S]*<!-- prepared \S+ -->\n\n## Changes from /,
    );
    expect(draft().body!.endsWith(`-->\n\n${stdout}`)).toBe(true);
    // The same from the directories of which they were made.
    expect((await release("diff", EARLIER, `./${STORE}`)).stdout).toBe(stdout);
  });

  it("a release that cannot be compared is published without a text, and says why", async () => {
    await prepared();
    const [earlier] = server.github.releases;
    earlier!.assets.splice(
      earlier!.assets.findIndex(({ name }) => name === "manifest.json"),
      1,
    );
    const published = await release("publish", "--final", ...github);
    expect(published.exitCode, published.stderr).toBe(0);
    expect(published.stderr).toContain(
      `warning: the draft does not say what has changed since ${EARLIER}: ${EARLIER} on example/images on GitHub has no manifest.json`,
    );
    expect([draft().draft, draft().body]).toEqual([false, expect.not.stringContaining("Changes")]);
  });

  it("a draft must be the only one", async () => {
    const refused = async (b: string) => {
      const { stderr, exitCode } = await release("diff", `./out/release/${EARLIER}`, b, ...github);
      return [exitCode, stderr.split("\n").find((line) => line.startsWith("error: "))];
    };
    expect(await refused("draft")).toEqual([
      2,
      expect.stringMatching(/^error: example\/images on GitHub has no draft that this token may see: /),
    ]);
    server.github.addRelease("images-v8");
    const nine = server.github.addRelease("images-v9");
    expect(await refused("draft")).toEqual([
      2,
      "error: example/images on GitHub has drafts of several tags: images-v9, images-v8: name the tag",
    ]);
    nine.draft = false;
    server.github.addRelease("images-v8");
    expect(await refused("images-v8")).toEqual([
      2,
      expect.stringMatching(
        /^error: example\/images on GitHub has 2 drafts for images-v8, but there must be only one: /,
      ),
    ]);
    server.github.releases.splice(0, 3, server.github.addRelease("images-v9"), nine);
    server.github.releases.splice(2);
    expect(await refused("draft")).toEqual([
      2,
      expect.stringMatching(
        /^error: example\/images on GitHub has a draft of images-v9, which is published already: /,
      ),
    ]);
    expect(await refused("images-v1")).toEqual([
      2,
      expect.stringMatching(
        /^error: unknown release "images-v1" on example\/images on GitHub; one of: images-v9: drafts need /,
      ),
    ]);
  });
});
