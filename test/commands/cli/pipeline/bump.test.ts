import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DriftRow } from "../../../../pipeline/schema/drift.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { NpmRegistry } from "../../../support/npm-registry.ts";
import { NOWHERE, offlineEnv } from "../../../support/offline-env.ts";
import { Copy } from "../../../support/synth-copy.ts";
import { Registry } from "../../../support/upstream/registry.ts";

let copy: Copy;
let server: GitHubServer;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  copy = new Copy();
  server = await GitHubServer.start();
  const registry = await NpmRegistry.start();
  registry.publish("@openai/codex", { "0.169.0": {}, "0.170.0": {}, "0.171.0": {} });
  env = offlineEnv(server, registry);
});
afterEach(async () => {
  await server.stop();
  copy.remove();
});

const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}) => copy.run(args, { ...env, ...more });
const git = (...args: string[]) =>
  execFileSync("git", ["-C", copy.root, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
    encoding: "utf8",
  }).trim();

/** Commits everything, as in a clone of which the branch `main` is on GitHub. */
function commit(): string {
  writeFileSync(copy.path(".gitignore"), "node_modules\ndist\n");
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "all");
  const head = git("rev-parse", "HEAD");
  server.github.heads.set("main", head);
  return head;
}

describe("bump", () => {
  it("changes the tag, and prints what will be built and why", async () => {
    commit();
    const { exitCode, stdout, stderr } = await run(["bump", "images-v7.0.1"]);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/^cell +action +why\nkernel-amd64 +build +not staged\n/);
    expect(stderr).toContain("tag: images-v7.0.0 -> images-v7.0.1\n");
    expect(stderr).toContain(
      "without GITHUB_TOKEN, GitHub does not say whether there is a draft of images-v7.0.1",
    );
    expect(git("diff", "--name-only").split("\n")).toContain("pipeline/images.ts");
    expect((await run(["synth", "--check"])).exitCode).toBe(0);
  });

  it("says what it does not know where GitHub cannot be asked, and goes on", async () => {
    const { exitCode, stderr } = await run(["bump", "images-v7.0.1"], { GITHUB_API_URL: NOWHERE });
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain(
      "it is not known whether images-v7.0.1 is published: no answer from http://127.0.0.1:9",
    );
    expect(copy.read("pipeline/images.ts")).toContain('IMAGES_RELEASE_TAG = "images-v7.0.1"');
  });

  it.each<[string, readonly string[], string]>([
    ["nothing to do", [], "there is nothing to change: give a tag, --pins or --preset NAME"],
    [
      "a tag that goes back",
      ["images-v6.9.9"],
      "images-v6.9.9 is not newer than the present tag, images-v7.0.0: choose a higher version",
    ],
    [
      "a published tag",
      ["images-v7.1.0"],
      "images-v7.1.0: example/images on GitHub has it already (https://github.com/example/images/releases/tag/images-v7.1.0): choose a newer tag",
    ],
    [
      "a preset that is none",
      ["--preset", "nobody"],
      'unknown preset "nobody"; one of: codex, claude-code, pi, openclaw, hermes',
    ],
  ])("refuses %s in one line, and changes nothing", async (_, args, message) => {
    commit();
    server.github.addRelease("images-v7.1.0", { draft: false });
    const { exitCode, stdout, stderr } = await run(["bump", ...args], { GITHUB_TOKEN: "good" });
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n").filter((line) => line.startsWith("error: "))).toEqual([
      expect.stringContaining(`error: ${message}`),
    ]);
    expect(git("status", "--porcelain")).toBe("");
  });

  it("refuses a checkout with other changes, and names them", async () => {
    commit();
    copy.write("pipeline/pins.ts", `${copy.read("pipeline/pins.ts")}\n`);
    const { exitCode, stderr } = await run(["bump", "images-v7.0.1"]);
    expect([exitCode, stderr]).toEqual([
      2,
      "error: pipeline/pins.ts: changed and not committed; nothing was changed: commit or stash it, then run it again\n",
    ]);
    expect(git("status", "--porcelain")).toBe("M pipeline/pins.ts");
  });

  it("opens a pull request with what will be built, and leaves the checkout as it is", async () => {
    commit();
    const { exitCode, stdout, stderr } = await run(["bump", "images-v7.0.1", "--pr"], {
      GITHUB_TOKEN: "good",
    });
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toBe("https://github.com/example/images/pull/1\n");
    expect(git("status", "--porcelain")).toBe("");
    const [pull] = server.github.pulls;
    expect(pull).toMatchObject({ head: "bump/images-v7.0.1", base: "main", title: "Release images-v7.0.1" });
    expect(pull!.body).toMatch(
      /^- `tag: images-v7\.0\.0 -> images-v7\.0\.1`\n[\s\S]*\nkernel-amd64 +build +not staged\n/,
    );
    const files = server.github.branches.get("bump/images-v7.0.1")!;
    expect(files["pipeline/images.ts"]).toContain('IMAGES_RELEASE_TAG = "images-v7.0.1"');
    expect(JSON.parse(files["out/cells.json"]!).tag).toBe("images-v7.0.1");
  });

  it("opens no pull request from another commit than the branch has", async () => {
    const head = commit();
    server.github.heads.set("main", "0".repeat(40));
    const { exitCode, stderr } = await run(["bump", "images-v7.0.1", "--pr"], { GITHUB_TOKEN: "good" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(
      `error: main of example/images is at ${"0".repeat(40)}, but this checkout is at ${head}: check out the newest commit of main`,
    );
    expect(server.github.pulls).toEqual([]);
  });

  it("opens no pull request where a digest changed for the same version", async () => {
    const images = await Registry.start();
    const name = `${images.host}/library/image`;
    images.push(name, "0.12.16", { created: "2026-10-01T00:00:00Z" });
    const declared = copy.read("pipeline/images.ts");
    const pinned = `"${name}:0.12.16@sha256:${"4".repeat(64)}"`;
    copy.write("pipeline/images.ts", declared.replace(/uv: `[^`]*`/, `uv: ${pinned}`));
    expect((await run(["synth"])).exitCode).toBe(0);
    commit();
    const { exitCode, stdout, stderr } = await run(["bump", "images-v7.0.1", "--pins", "--pr"], {
      GITHUB_TOKEN: "good",
    });
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(
      /^error: uv image: \S+:0\.12\.16 has the digest sha256:\w+ now; no pull request was opened: /m,
    );
    expect(stderr).toContain("warning: hermes is unknown and was not changed: ");
    expect(server.github.pulls).toEqual([]);
  });
});

describe("drift", () => {
  it("shows what is behind as a warning, and what cannot be asked as unknown", async () => {
    const { exitCode, stdout, stderr } = await run(["drift"]);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/^pin +pinned +newest +behind +support ends$/m);
    expect(stdout).toMatch(/^codex +0\.169\.0 +0\.171\.0 +2$/m);
    expect(stdout).toMatch(/^hermes +5{12} +unknown$/m);
    expect(stdout).toMatch(/^alpine +3\.24 +unknown +2028-06-01$/m);
    expect(stdout.split("\n").filter((line) => line.length > 80 && /^\S/.test(line))).toEqual([]);
    expect(stderr).toMatch(/^warning: \d+ pins: 1 behind, \d+ unknown, 0 without support$/m);
  });

  it("as JSON has a row for each pin; strict, it is not content with less than the newest", async () => {
    const { exitCode, stdout } = await run(["drift", "--json", "--strict"]);
    expect(exitCode).toBe(1);
    const rows = JSON.parse(stdout).map((row: unknown) => DriftRow.parse(row));
    expect(rows.find(({ name }: DriftRow) => name === "codex")).toMatchObject({
      state: "behind",
      versions_behind: 2,
    });
    expect(rows.find(({ name }: DriftRow) => name === "uv image")).toMatchObject({
      state: "unknown",
      newest: null,
    });
  });

  it("fails on a release whose support has ended, with the date", async () => {
    const declared = copy.read("pipeline/images.ts").replace('version: "3.24"', 'version: "3.20"');
    copy.write("pipeline/images.ts", declared);
    const { exitCode, stdout } = await run(["drift"]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^alpine +3\.20 +unknown +2026-04-01\n {2}its support ended on 2026-04-01 \(endoflife-date\//m,
    );
  });
});
