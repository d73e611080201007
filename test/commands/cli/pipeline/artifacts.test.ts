import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { releaseSigner } from "../../../../pipeline/attestation/signer.ts";
import { digestsOf } from "../../../../pipeline/release/digests.ts";
import { CELLS_PATH } from "../../../../pipeline/schema/cells.ts";
import { stagedFilesOf } from "../../../../pipeline/schema/kinds/index.ts";
import { attestAll, manifestSubject, putBundle, subjectsOf } from "../../../support/attested.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { factsOf, stage } from "../../../support/github/staging.ts";
import { cli } from "../../../support/project.ts";
import { OwnSigstore } from "../../../support/sigstore.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const CODEX = "codex-amd64-ubuntu";

const RUN = { commit: "c".repeat(40), run: 7 };

let server: GitHubServer;
let sigstore: OwnSigstore;
/** The attestations of all that is staged, by the run that publishes. */
let attestations: string;
let root: string;
beforeAll(async () => {
  sigstore = await OwnSigstore.create();
  attestations = mkdtempSync(join(tmpdir(), "smolvm-attested-"));
  await attestAll(sigstore, cells, attestations, releaseSigner(cells.repository, RUN));
});
beforeEach(async () => {
  server = await GitHubServer.start();
  root = sampleCheckout();
  writeFileSync(here("trusted_root.json"), sigstore.trustedRoot());
  const declared = JSON.parse(readFileSync(here(CELLS_PATH), "utf8"));
  writeFileSync(here(CELLS_PATH), JSON.stringify({ ...declared, trusted_root: "trusted_root.json" }));
  cpSync(attestations, here("attested"), { recursive: true });
  for (const cell of cells.cells.filter(({ published }) => published))
    stage({ ...cells, cells: [cell] }, here(`staged/cell-${cell.id}`));
});
afterEach(() => server.stop());
afterAll(() => rmSync(attestations, { recursive: true, force: true }));

const release = (...words: string[]) => releaseIn({}, ...words);
const releaseIn = (env: NodeJS.ProcessEnv, ...words: string[]) =>
  cli(root, ["release", ...words], {
    env: {
      ...{ GITHUB_ACTIONS: "", GITHUB_OUTPUT: "", GITHUB_STEP_SUMMARY: "" },
      ...{ GITHUB_SHA: RUN.commit, GITHUB_REF: "refs/heads/main", GITHUB_RUN_ID: String(RUN.run) },
      ...{ http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "" },
      ...{ GITHUB_TOKEN: "good", GITHUB_API_URL: server.url, GITHUB_REPOSITORY: server.github.repository },
      ...env,
    },
  });
const PUBLISH = ["publish", "--store", "github", "--artifacts", "staged", "--attestations", "attested"];
const publish = (...words: string[]) => release(...PUBLISH, ...words);
const uploads = () => server.requests.filter((request) => /^POST .*\/assets$/.test(request)).length;
const here = (path: string) => join(root, path);
/** Each asset, the inventories, the manifest, its attestation and the sums. */
const FILES = 49;

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

  it("with a regression against the last release change nothing", async () => {
    const declared = JSON.parse(readFileSync(here(CELLS_PATH), "utf8"));
    const limits = { regressions: { boot_percent: 30, accepts: [] } };
    writeFileSync(here(CELLS_PATH), JSON.stringify({ ...declared, ...limits }));
    const facts = cells.cells.flatMap((cell) => cell.assets.map((asset) => factsOf(cell, asset)));
    const { assets, ...rest } = digestsOf(cells, { facts });
    const [name] = cells.cells.find(({ id }) => id === CODEX)!.assets;
    const faster = { ...assets, [name!]: { ...assets[name!], boot: { ms: 1000, accel: "tcg" } } };
    writeFileSync(
      here("images.lock.json"),
      JSON.stringify({ ...rest, tag: "images-v6.9.0", assets: faster }),
    );
    const refused = await publish();
    expect([refused.exitCode, refused.stdout]).toEqual([
      1,
      expect.stringMatching(
        /^codex-amd64-ubuntu: boot 1\.0 s -> 3\.5 s \(\+250\.0 %, limit 30 %\) since .*\n$/,
      ),
    ]);
    expect(refused.stderr).toContain("and nothing was changed: 1 problems\n");
    expect(server.github.releases).toEqual([]);
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

  it("of which one is attested by another run change nothing", async () => {
    const codex = cells.cells.find(({ id }) => id === CODEX)!;
    const other = releaseSigner(cells.repository, { ...RUN, run: 8 });
    putBundle(here("attested"), CODEX, await sigstore.attest(subjectsOf(codex), other));
    const refused = await publish("--final");
    expect(refused.exitCode).toBe(1);
    const [first, second, ...more] = refused.stdout.trim().split("\n");
    expect(first).toContain(
      `${codex.assets[0]}: the attestation of ${codex.assets[0]} is not valid: the run is `,
    );
    expect(first).toContain(`https://github.com/${cells.repository}/actions/runs/8`);
    expect([second, more]).toEqual([expect.stringMatching(/^codex-amd64-ubuntu-rootfs\.cdx\.json: /), []]);
    expect(refused.stderr).toContain(`${cells.tag} is not published, and nothing was changed: 2 problems\n`);
    expect([server.github.releases, uploads()]).toEqual([[], 0]);
  });

  it.each<[string, NodeJS.ProcessEnv, string[], string]>([
    [
      "without attestations",
      {},
      ["publish", "--store", "github", "--artifacts", "staged"],
      "--artifacts is given without --attestations, and a public release must be attested: download the artifacts `attestation-*`",
    ],
    [
      "outside of a run",
      { GITHUB_SHA: "", GITHUB_RUN_ID: "" },
      PUBLISH,
      "--attestations is for a run of GitHub Actions, but GITHUB_SHA, GITHUB_RUN_ID is not set: start the workflow",
    ],
    [
      "on another branch",
      { GITHUB_REF: "refs/heads/evil" },
      PUBLISH,
      "this run is on refs/heads/evil, but releases are made from refs/heads/main: start the workflow on that branch",
    ],
    ["whose authority cannot be read", {}, PUBLISH, "cannot read the trusted root"],
  ])("are not published %s", async (what, env, words, message) => {
    if (what.includes("authority")) rmSync(here("trusted_root.json"));
    const { exitCode, stderr } = await releaseIn(env, ...words);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`error: ${message}`)]);
    expect([server.github.releases, uploads()]).toEqual([[], 0]);
  });

  it("have the manifest that release manifest makes from their facts", async () => {
    for (const { id, assets } of cells.cells.filter(({ published }) => published)) {
      mkdirSync(here(`facts/facts-${id}`), { recursive: true });
      for (const asset of assets)
        cpSync(here(`staged/cell-${id}/${asset}.json`), here(`facts/facts-${id}/${asset}.json`));
    }
    const make = () => release("manifest", "--facts", "facts", "--output", "made.json");
    expect(await make()).toEqual({
      ...{ exitCode: 0, stdout: "" },
      stderr: `${cells.tag}: made.json has the manifest of 24 assets\n`,
    });
    const sha256 = createHash("sha256")
      .update(readFileSync(here("made.json")))
      .digest("hex");
    expect(sha256).toBe(manifestSubject(cells).sha256);

    rmSync(here(`facts/facts-${CODEX}`), { recursive: true });
    rmSync(here("made.json"));
    const refused = await make();
    expect([refused.exitCode, existsSync(here("made.json"))]).toEqual([1, false]);
    expect(refused.stdout).toMatch(new RegExp(`^${CODEX}-rootfs\\.ext4\\.zst: not staged in .*\n$`));
    expect(refused.stderr).toBe(`${cells.tag} has no manifest yet: 1 problems\n`);
  });

  it.each([
    ["--empty", []],
    ["--attestations", ["attested"]],
  ])("are what %s is for", async (flag, value) => {
    const { exitCode, stderr } = await release("publish", "--store", "github", flag, ...value);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining(`error: ${flag} has no effect without --artifacts: `),
    ]);
  });
});
