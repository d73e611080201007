import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RecordedDigests } from "../../../../pipeline/schema/recorded-digests.ts";
import { attestRelease, releaseSubjects } from "../../../support/github/release-attestation.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { bytesOf, factsOf, stage } from "../../../support/github/staging.ts";
import { type CliOptions, cli, REPOSITORY } from "../../../support/project.ts";
import { tempDirectory } from "../../../support/run.ts";
import { OwnSigstore } from "../../../support/sigstore.ts";
import { sampleCells, sampleCheckout } from "../../../support/tree.ts";

const cells = sampleCells();
const STORE = `out/release/${cells.tag}`;
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";

let server: GitHubServer;
let root: string;
beforeEach(async () => {
  server = await GitHubServer.start();
  root = sampleCheckout();
  stage(cells, join(root, STORE));
});
afterEach(() => server.stop());

const NOWHERE = {
  ...{ GITHUB_ACTIONS: "", GITHUB_OUTPUT: "", GITHUB_STEP_SUMMARY: "", GITHUB_TOKEN: "", GITHUB_SHA: "" },
  ...{ http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "" },
};
const github = () => ({
  ...{ GITHUB_TOKEN: "good", GITHUB_API_URL: server.url, GITHUB_REPOSITORY: server.github.repository },
});
const run = (args: string[], env: NodeJS.ProcessEnv = {}, options: CliOptions = {}) =>
  cli(root, args, { ...options, env: { ...NOWHERE, ...env } });
const onGitHub = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  run([...args, "--store", "github"], { ...github(), ...env });
const read = (path: string) => readFileSync(join(root, path), "utf8");

describe("the release commands on GitHub", () => {
  it("bring finished cells to a public release, whose digests are recorded", async () => {
    const output = join(root, "output");
    const summary = join(root, "summary");
    for (const file of [output, summary]) writeFileSync(file, "");
    const prepared = await onGitHub(["release", "prepare"], { GITHUB_OUTPUT: output });
    expect(prepared.exitCode, prepared.stderr).toBe(0);
    const [release] = server.github.releases;
    expect(prepared.stdout).toBe(`${release!.id}\n`);
    expect(readFileSync(output, "utf8")).toMatch(new RegExp(`^release-id<<(.+)\n${release!.id}\n\\1\n$`));

    const ids = cells.cells.filter(({ published }) => published).map(({ id }) => id);
    const sent = await onGitHub(["cell", ...ids, "--stage", "upload", "--release-id", String(release!.id)]);
    expect(sent.exitCode, sent.stderr).toBe(0);
    expect(sent.stdout.trim().split("\n")).toHaveLength(24);

    const published = await onGitHub(["release", "publish", "--final"], { GITHUB_STEP_SUMMARY: summary });
    expect(published.exitCode, published.stderr).toBe(0);
    expect(published.stdout).toBe(`https://github.com/example/images/releases/tag/${cells.tag}\n`);
    expect(Object.keys(RecordedDigests.parse(JSON.parse(read("images.lock.json"))).assets)).toHaveLength(24);
    expect(JSON.parse(read("out/manifest.json")).images).toHaveLength(48);
    expect(read("out/manifest.json")).toBe(server.github.contents(release!)["manifest.json"]);
    expect(read("out/published_images.py").match(/^ {4}\("[\w-]+", /gm)).toHaveLength(48);
    expect(readFileSync(summary, "utf8").match(/<tr>/g)).toHaveLength(25);

    const verified = await onGitHub(["release", "verify", cells.tag, "--download"], { GITHUB_TOKEN: "" });
    expect(verified.stderr).toContain(
      `${cells.tag}: 48 files on example/images on GitHub match out/manifest.json`,
    );
    expect(verified.exitCode).toBe(0);
    expect(verified.stderr).toContain(`warning: ${cells.tag}: not immutable, so `);

    server.github.immutable = true;
    const unattested = await onGitHub(["release", "verify"]);
    expect(unattested.stdout).toMatch(/: immutable, but GitHub has no attestation of it /);
    expect(unattested.exitCode).toBe(1);
    const sigstore = await OwnSigstore.create({ logs: false });
    writeFileSync(join(root, "github.json"), sigstore.trustedRoot());
    const commit = server.github.tags.get(cells.tag)!;
    const subjects = releaseSubjects(release!, commit);
    const predicate = { repository: server.github.repository, tag: cells.tag };
    const bundle = await attestRelease(sigstore, subjects, predicate);
    server.github.attestations.push({ digest: `sha1:${commit}`, bundle });
    const attested = await onGitHub(["release", "verify", "--trusted-root", join(root, "github.json")]);
    expect(attested.stderr).toContain(
      "match out/manifest.json; it is immutable, and GitHub has attested its tag, its commit and these files\n",
    );
    expect(attested.exitCode).toBe(0);

    release!.assets.find(({ name }) => name === CODEX)!.bytes = Buffer.from("swapped");
    const changed = await onGitHub(["release", "verify"]);
    expect(changed.stdout).toMatch(
      new RegExp(`^${CODEX}: 7 bytes, but \\d+ are recorded\n${CODEX}: sha256 `),
    );
    expect(changed.exitCode).toBe(1);
  });

  it("say what is missing as data, and exit with 1; the page of the run has it too", async () => {
    const summary = join(root, "summary");
    writeFileSync(summary, "");
    server.github.addRelease(cells.tag);
    const ids = cells.cells.filter(({ kind }) => kind === "kernel").map(({ id }) => id);
    await onGitHub(["cell", ...ids, "--stage", "upload"]);
    for (const { assets, kind } of cells.cells) {
      for (const asset of kind === "kernel" ? [] : assets)
        rmSync(join(root, STORE, `${asset}.json`), { force: true });
    }
    const refused = await onGitHub(["release", "publish"], { GITHUB_STEP_SUMMARY: summary });
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout.trim().split("\n")).toHaveLength(20);
    expect(refused.stdout).toContain(`${CODEX}: not staged in `);
    expect(refused.stderr).toMatch(
      /images-v7\.0\.0 is not published, and nothing was changed: 20 problems\n$/,
    );
    expect(readFileSync(summary, "utf8")).toContain(`<li>${CODEX}: not staged in `);
    expect(server.github.releases[0]!.assets).toHaveLength(4);
  });

  it.each([
    [
      "no token",
      { GITHUB_TOKEN: "" },
      /^error: GITHUB_TOKEN is not set: releases on GitHub need a token with `contents: write`; in a workflow, the job's `permissions: \{ contents: write \}` and the step's `env: \{ GITHUB_TOKEN: \$\{\{ github\.token \}\} \}`$/,
    ],
    [
      "a wrong token",
      { GITHUB_TOKEN: "stolen" },
      /^error: GitHub does not accept the token \(401 Bad credentials\): set GITHUB_TOKEN to a valid token$/,
    ],
    [
      "another repository than is declared",
      { GITHUB_REPOSITORY: "example/fork" },
      /^error: GITHUB_REPOSITORY is example\/fork, but images\.ts declares example\/images, which every address in the manifest names: declare your repository/,
    ],
    [
      "another GitHub than the manifest's addresses are on",
      { GITHUB_SERVER_URL: "https://github.example.com" },
      /^error: GITHUB_SERVER_URL is https:\/\/github\.example\.com, but the addresses in the manifest are on https:\/\/github\.com: publish/,
    ],
    [
      "a repository that is none",
      { GITHUB_REPOSITORY: "images" },
      /^error: GITHUB_REPOSITORY "images" is not owner\/name$/,
    ],
    [
      "an address that is none",
      { GITHUB_API_URL: "github" },
      /^error: GITHUB_API_URL "github" is not an http\(s\) address$/,
    ],
    [
      "a proxy that is not there",
      { http_proxy: "http://127.0.0.1:60999" },
      /^error: no answer from http:\S+, through the proxy that http_proxy names \(.*ECONNREFUSED.*\): check the network, and run the same command again$/,
    ],
    [
      "no GitHub",
      { GITHUB_API_URL: "http://127.0.0.1:60999" },
      /^error: no answer from http:\/\/127\.0\.0\.1:60999 \(.*ECONNREFUSED.*\): check the network, and run the same command again$/,
    ],
  ])("refuse %s in one clear line", async (_, env, message) => {
    const refused = await onGitHub(["release", "prepare"], env);
    const errors = refused.stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(message);
    expect(refused.exitCode).toBe(2);
    expect(refused.stdout).toBe("");
  });

  it("refuse a tag that is published, a release of another tag, and what is not staged", async () => {
    const other = server.github.addRelease("images-v0.0.14");
    const id = String(other.id);
    expect(
      (await onGitHub(["cell", "codex-amd64-ubuntu", "--stage", "upload", "--release-id", id])).stderr,
    ).toContain(
      `error: release ${id} has the tag images-v0.0.14, but images.ts declares ${cells.tag}: give the id`,
    );
    expect((await onGitHub(["release", "publish"])).stderr).toContain(
      `error: example/images on GitHub has no release for ${cells.tag}: run \`npx smolvm-images release prepare\` first\n`,
    );
    server.github.addRelease(cells.tag, { draft: false });
    const refused = await onGitHub(["release", "prepare"]);
    expect(refused.stderr).toMatch(
      /^error: images-v7\.0\.0 is published on example\/images on GitHub, and a published release is never changed: choose a new tag/m,
    );
    expect(refused.exitCode).toBe(2);
    rmSync(join(root, STORE, `${CODEX}.json`));
    const missing = await onGitHub(["cell", "codex-amd64-ubuntu", "--stage", "upload"]);
    expect(missing.stderr).toMatch(
      /^error: \S+ is not staged in .*: run `npx smolvm-images cell codex-amd64-ubuntu` first$/m,
    );
    expect(missing.exitCode).toBe(2);
  });

  it("in Actions work on GitHub without being told, and show an error on the page of the run", async () => {
    const refused = await run(["release", "prepare"], {
      ...github(),
      GITHUB_ACTIONS: "true",
      GITHUB_TOKEN: "stolen",
    });
    expect(refused.stderr).toContain(
      "::error title=github-token::GitHub does not accept the token (401 Bad credentials)",
    );
  });

  it("take what GitHub and packages say for data: neither for a workflow command nor for HTML", async () => {
    const summary = join(root, "summary");
    writeFileSync(summary, "");
    const release = server.github.addRelease(cells.tag);
    for (const name of ["::warning::planted", "##[error]planted", "<img src=planted>"])
      server.github.addAsset(release, name, "x");
    // Nothing is staged: nothing is awaited on the release.
    rmSync(join(root, STORE), { recursive: true });
    const actions = { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: summary };
    const { stdout, stderr, exitCode } = await onGitHub(["release", "publish"], actions);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/^::group::/m)]);
    expect(stdout).toMatch(/^: :warning::planted: /m);
    expect(stdout).toMatch(/^## \[error\]planted: /m);
    const page = readFileSync(summary, "utf8");
    expect(page).toContain("<li>&lt;img src=planted&gt;: ");
    expect(page).not.toContain("<img");
  });

  it("say nothing that holds the token", async () => {
    const said = await run(["cell", "good-amd64-good"], github());
    expect(said.stderr).toBe(said.stderr.replaceAll("good", "***"));
    expect(said.stderr).toContain('"***"');
  });

  it("record no digests over a file that the pipeline did not write, and publish nothing", async () => {
    writeFileSync(join(root, "out/manifest.json"), '{"mine": true}');
    server.github.addRelease(cells.tag);
    const refused = await onGitHub(["release", "publish"]);
    expect(refused.stderr).toContain(
      "error: out/manifest.json was not written by this program, which would replace it: restore it from git, or move it away\n",
    );
    expect([refused.exitCode, read("out/manifest.json")]).toEqual([2, '{"mine": true}']);
    rmSync(join(root, "out/manifest.json"));
    writeFileSync(join(root, "out/published_images.py"), "MINE = True");
    const again = await onGitHub(["release", "publish"]);
    expect(again.stderr).toContain("error: out/published_images.py was not written by this program, which");
    expect([again.exitCode, read("out/published_images.py")]).toEqual([2, "MINE = True"]);
    expect(server.github.releases[0]!.assets).toEqual([]);
  });

  it("send an asset of half a GiB in little memory", async () => {
    const path = join(root, STORE, CODEX);
    const zeros = "9acca8e8c22201155389f65abbf6bc9723edc7384ead80503839f49dcc56d767";
    const codex = cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!;
    const facts = { ...factsOf(codex, CODEX), sha256: zeros, size: 2 ** 29, image_size: 2 ** 30 };
    writeFileSync(path, "");
    truncateSync(path, 2 ** 29);
    writeFileSync(`${path}.json`, JSON.stringify(facts));
    server.github.addRelease(cells.tag);
    const peak = join(root, "peak");
    const sent = await run(["cell", "codex-amd64-ubuntu", "--stage", "upload", "--store", "github"], {
      ...github(),
      ...{ NODE_OPTIONS: `--import ${join(REPOSITORY, "test/support/peak-rss.mjs")}`, PEAK_RSS_FILE: peak },
    });
    expect(sent.exitCode, sent.stderr).toBe(0);
    expect(server.github.releases[0]!.assets[0]!.bytes.length).toBe(2 ** 29);
    expect(Number(readFileSync(peak, "utf8"))).toBeLessThan(400 * 1024);
  });
});

describe("the release commands on a directory, which is the default outside of Actions", () => {
  it("publish what is staged there, check it, and record nothing", async () => {
    const prepared = await run(["release", "prepare"]);
    expect(prepared.stdout).toBe(`${STORE}\n`);
    const committed = read("out/manifest.json");
    const published = await run(["release", "publish"]);
    expect(published.exitCode, published.stderr).toBe(0);
    expect(published.stdout).toBe(`${STORE}\n`);
    expect(JSON.parse(read(`${STORE}/manifest.json`)).images).toHaveLength(48);
    expect(read("out/manifest.json")).toBe(committed);
    expect((await run(["release", "publish"])).exitCode).toBe(0);
    const verified = await run(["release", "verify"]);
    expect(verified.stderr).toContain(`47 files on ${STORE} match ${STORE}/manifest.json`);
    writeFileSync(join(root, STORE, CODEX), bytesOf("other"));
    expect((await run(["release", "verify"])).exitCode).toBe(1);
    expect((await run(["release", "verify", "--require-immutable"])).stderr).toContain(
      "error: --require-immutable and --trusted-root are for releases on GitHub: omit them, or give --store github\n",
    );
    expect((await run(["release", "publish"])).stdout).toContain(`${CODEX}: sha256 `);
  });

  it("with --partial publish what is staged, and on GitHub refuse to", async () => {
    for (const { assets, kind, arch } of cells.cells) {
      const kept = arch === "amd64" && (kind === "kernel" || assets.includes(CODEX));
      for (const asset of kept ? [] : assets) rmSync(join(root, STORE, `${asset}.json`), { force: true });
    }
    expect((await run(["release", "publish"])).exitCode).toBe(1);
    const published = await run(["release", "publish", "--partial"]);
    expect(published.exitCode, published.stderr).toBe(0);
    const { kernels, bases, images } = JSON.parse(read(`${STORE}/manifest.json`));
    expect([kernels.length, bases.length, images.length]).toEqual([2, 0, 3]);
    server.github.addRelease(cells.tag);
    expect((await onGitHub(["release", "publish", "--partial"])).stderr).toContain(
      "error: --partial is only for directories",
    );
  });

  it("copy finished cells elsewhere", async () => {
    const target = join(tempDirectory(), "mirror");
    const sent = await run(["cell", "codex-amd64-ubuntu", "--stage", "upload", "--store", `dir:${target}`]);
    expect(sent.exitCode, sent.stderr).toBe(0);
    expect(readFileSync(join(target, CODEX), "utf8")).toBe(bytesOf(CODEX));
    expect(JSON.parse(readFileSync(join(target, `${CODEX}.json`), "utf8")).asset).toBe(CODEX);
    expect(readFileSync(join(target, "SHA256SUMS"), "utf8")).toContain(CODEX);
  });

  it("prune the directories of old tags, and nothing else", async () => {
    for (const name of [
      "images-v0.0.9/SHA256SUMS",
      "images-v0.0.14/SHA256SUMS",
      "notes-v0.0.1/SHA256SUMS",
      "images-v0.0.8/x",
    ]) {
      mkdirSync(join(root, "out/release", dirname(name)), { recursive: true });
      writeFileSync(join(root, "out/release", name), "");
    }
    writeFileSync(join(root, STORE, "SHA256SUMS"), "");
    const dry = await run(["release", "prune", "--keep", "2", "--dry-run"]);
    expect(dry.stdout).toBe("images-v0.0.9  draft  out/release/images-v0.0.9\n");
    const { stdout, exitCode } = await run(["release", "prune", "--keep", "2"]);
    expect({ stdout, exitCode }).toEqual({ stdout: dry.stdout, exitCode: 0 });
    expect((await run(["release", "prune", "--keep", "2"])).stdout).toBe("");
    expect((await run(["release", "prune"])).stderr).toContain("required option '--keep <n>' not specified");
  });
});
