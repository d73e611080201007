import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DriftReport } from "../../../../pipeline/schema/drift.ts";
import { GitHubServer } from "../../../support/github/server.ts";
import { NpmRegistry } from "../../../support/npm-registry.ts";
import { offlineEnv } from "../../../support/offline-env.ts";
import { tempDirectory } from "../../../support/run.ts";
import { Copy } from "../../../support/synth-copy.ts";

const CODEX = "@openai/codex";
const LOCK = "dockerfiles/codex/package-lock.json";

let copy: Copy;
let server: GitHubServer;
let registry: NpmRegistry;
let env: NodeJS.ProcessEnv;
/** The report, outside of the checkout. */
let file: string;
beforeEach(async () => {
  copy = new Copy();
  server = await GitHubServer.start();
  registry = await NpmRegistry.start();
  registry.publish(CODEX, { "0.169.0": {}, "0.170.0": {} });
  env = { ...offlineEnv(server, registry), GITHUB_TOKEN: "good" };
  file = join(tempDirectory(), "drift.json");
});
afterEach(async () => {
  await server.stop();
  copy.remove();
});

const git = (...args: string[]) =>
  execFileSync("git", ["-C", copy.root, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
    encoding: "utf8",
  }).trim();

/** Commits everything, as in a clone of which the branch `main` is on GitHub. */
function commit(): void {
  writeFileSync(copy.path(".gitignore"), "node_modules\ndist\n");
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "all");
  server.github.heads.set("main", git("rev-parse", "HEAD"));
}

/** The job `look`. */
async function look(): Promise<DriftReport> {
  const { exitCode, stderr } = await copy.run(["drift", "--save", file], { ...env, GITHUB_TOKEN: "" });
  expect(exitCode, stderr).toBe(0);
  return saved();
}
const saved = () => DriftReport.parse(JSON.parse(readFileSync(file, "utf8")));
const plant = (report: unknown) => writeFileSync(file, JSON.stringify(report));
/** The job `write`. */
const write = () => copy.run(["drift", "--propose", file], env);
const written = () => server.requests.filter((request) => !request.startsWith("GET "));
const errorOf = ({ stderr }: { stderr: string }) =>
  stderr.split("\n").filter((line) => line.startsWith("error: "));

describe("drift --save and --propose", { timeout: 180_000 }, () => {
  it("open a pull request for a preset and an issue for the rest, update both, and close the issue", async () => {
    commit();
    const report = await look();
    expect(report.locks.map(({ preset }) => preset)).toEqual(["codex"]);
    expect(git("status", "--porcelain")).toBe("");

    const first = await write();
    expect(first.exitCode, first.stderr).toBe(0);
    expect(first.stdout).toBe(
      "https://github.com/example/images/pull/1\nhttps://github.com/example/images/issues/1001\n",
    );
    expect(git("status", "--porcelain")).toBe("");
    const [pull] = server.github.pulls;
    expect(pull).toMatchObject({ head: "bump/codex", base: "main", title: "Bump codex to 0.170.0" });
    expect(pull!.body).toMatch(/^- `codex: @openai\/codex 0\.169\.0 -> 0\.170\.0`\n/);
    expect(pull!.body).toMatch(/\n```\ncell +action +why\n[\s\S]*\ncodex-amd64-ubuntu +build +/);
    const files = server.github.branches.get("bump/codex")!;
    expect(files[LOCK]).toContain('"version": "0.170.0"');
    expect(files["dockerfiles/codex/package.json"]).toContain('"@openai/codex": "0.170.0"');
    expect(Object.keys(files).filter((path) => path.startsWith(".github/"))).toEqual([]);
    const [issue] = server.github.issues;
    expect(issue).toMatchObject({ title: "Pins that are behind", labels: ["drift"], open: true });
    expect(issue!.body).toMatch(/\nalpine +3\.24 +unknown +2028-06-01\n/);
    expect(issue!.body).not.toMatch(/^codex /m);

    // Nothing has changed since.
    server.requests.length = 0;
    expect((await write()).stdout).toBe(first.stdout);
    expect(written().filter((request) => !request.endsWith("/git/trees"))).toEqual([]);

    // A newer version, and nothing else.
    registry.publish(CODEX, { "0.169.0": {}, "0.170.0": {}, "0.171.0": {} });
    const { rows, locks } = await look();
    plant({ rows: rows.filter(({ name }) => name === "codex"), locks });
    expect((await write()).exitCode).toBe(0);
    expect(server.github.pulls).toMatchObject([{ title: "Bump codex to 0.171.0" }]);
    expect(server.github.pulls[0]!.body).toContain("0.169.0 -> 0.171.0");
    expect(server.github.branches.get("bump/codex")![LOCK]).toContain('"version": "0.171.0"');
    expect(server.github.issues).toMatchObject([{ open: false }]);
    expect(server.github.issues[0]!.body).toMatch(/^Nothing is behind/);

    // The closed one is opened again.
    plant({ rows, locks: [] });
    expect((await write()).exitCode).toBe(0);
    expect(server.github.issues).toMatchObject([{ open: true }]);
    expect(server.github.issues[0]!.body).toMatch(/^codex +0\.169\.0 +0\.171\.0 +2$/m);
  });

  it("leave a preset in the range that holds it", async () => {
    const declared = copy.read("pipeline/images.ts");
    const hold = '{ hold: { range: "<0.170", reason: "0.170 is slow" }, ';
    copy.write(
      "pipeline/images.ts",
      declared.replace('npm("@openai/codex", { ', (at) => at.slice(0, -2) + hold),
    );
    expect(copy.read("pipeline/images.ts")).toContain(hold);
    commit();
    expect((await look()).locks).toEqual([]);
    await write();
    expect([server.github.pulls, [...server.github.branches.keys()]]).toEqual([[], ["main"]]);
  });

  it("say in the issue why a preset is not proposed: the tree refuses its newest version", async () => {
    registry.publish(CODEX, { "0.169.0": {}, "0.170.0": { engines: { node: ">=99" } } });
    commit();
    const { rows, locks } = await look();
    expect(locks).toEqual([]);
    expect(rows.find(({ name }) => name === "codex")!.note).toContain("99");
    await write();
    expect(server.github.pulls).toEqual([]);
    expect(server.github.issues[0]!.body).toMatch(
      /^codex +0\.169\.0 +0\.170\.0 +1\n {2}it cannot be proposed: [\s\S]*>=99/m,
    );
  });

  it("leave a branch alone that somebody else has changed, and name the preset in the issue", async () => {
    commit();
    await look();
    server.github.branches.set("bump/codex", { "their.txt": "work" });
    const { exitCode, stderr } = await write();
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain(
      "warning: codex: the newest commit of the branch bump/codex was made by somebody else: merge or delete the branch",
    );
    expect(server.github.branches.get("bump/codex")).toEqual({ "their.txt": "work" });
    expect(server.github.pulls).toEqual([]);
    expect(server.github.issues[0]!.body).toMatch(/^codex +0\.169\.0 +0\.170\.0 +1$/m);
  });

  it("change no issue of somebody else", async () => {
    commit();
    const { locks } = await look();
    const theirs = { title: "mine", body: "<!-- smolvm-images drift -->", labels: [], open: true };
    server.github.issues.push({ number: 7, ...theirs });
    plant({ rows: [], locks });
    await write();
    expect(server.github.issues).toEqual([{ number: 7, ...theirs }]);
  });
});

describe("drift --propose refuses, and writes nothing,", { timeout: 180_000 }, () => {
  it("what is not exactly the report of newer versions of the project's presets", async () => {
    commit();
    const good = await look();
    const [lock] = good.locks;
    const refused = async (report: unknown, message: string) => {
      if (report !== undefined) plant(report);
      const ended = await write();
      expect([ended.exitCode, ended.stdout]).toEqual([2, ""]);
      expect(errorOf(ended)).toEqual([expect.stringContaining(message)]);
    };
    await refused({ ...good, files: { "bin/x": "evil" } }, "is not a report of drift (");
    await refused({ ...good, locks: [{ ...lock, path: "../x" }] }, "is not a report of drift (");
    await refused(
      { ...good, locks: [{ ...lock, preset: "../../.github" }] },
      'unknown preset "../../.github"',
    );
    await refused({ ...good, locks: [{ ...lock, preset: "pi" }] }, "the new lockfile of pi is refused: ");
    await refused(
      { ...good, locks: [lock, { ...lock, preset: "hermes" }] },
      "hermes is refused: it is not an npm",
    );
    await refused({ ...good, locks: [lock, lock] }, "has two lockfiles of codex");
    await refused(
      { ...good, locks: [{ ...lock, lockfile: "x".repeat(3 << 20) }] },
      "is not a report of drift (",
    );
    const long = { ...good.rows[0], note: "x".repeat(9000) };
    await refused({ ...good, rows: [long] }, "is not a report of drift (rows[0]: a row is too long)");
    writeFileSync(file, Buffer.alloc((16 << 20) + 1, " "));
    await refused(undefined, "has 16777217 bytes, more than a report has");
    expect(written()).toEqual([]);
    expect(server.github.pulls).toEqual([]);
    expect(git("status", "--porcelain")).toBe("");
  });
});
