import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WorkflowRun } from "../support/actions/runner.ts";
import type { Permissions } from "../support/github/github.ts";
import { GitHubServer } from "../support/github/server.ts";
import { NpmRegistry } from "../support/npm-registry.ts";
import { offlineEnv } from "../support/offline-env.ts";
import { REPOSITORY } from "../support/project.ts";
import { tempDirectory } from "../support/run.ts";
import { SAMPLE_FILES } from "../support/sample/files.ts";
import { OwnSigstore } from "../support/sigstore.ts";
import { Copy } from "../support/synth-copy.ts";

const repository = new Copy("project");
let server: GitHubServer;

beforeAll(async () => {
  server = await GitHubServer.start();
  for (const [path, text] of Object.entries(SAMPLE_FILES)) repository.write(path, text);
  const declared = readFileSync(join(REPOSITORY, "test/support/sample/images.ts"), "utf8");
  const constructs = "./constructs/index.ts";
  repository.write(
    "pipeline/images.ts",
    declared.replace("../../../pipeline/constructs/index.ts", constructs),
  );
  const { exitCode, stderr } = await repository.run(["synth"]);
  expect(exitCode, stderr).toBe(0);
  repository.write(".gitignore", "node_modules\ndist\n");
  const user = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", repository.root, ...user, ...args], { encoding: "utf8" }).trim();
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "all");
  server.github.heads.set("main", git("rev-parse", "HEAD"));
}, 60_000);
afterAll(async () => {
  await server.stop();
  repository.remove();
});

it("asks without a right to write, and proposes with the token of the other job", async () => {
  const registry = await NpmRegistry.start();
  registry.publish("@openai/codex", { "0.169.0": {}, "0.170.0": {} });
  const machine = { ...process.env, ...offlineEnv(server, registry) };
  const asked: Record<string, unknown> = {};
  const run = new WorkflowRun({
    checkout: (workspace) => {
      const filter = (path: string) => basename(path) !== "node_modules";
      cpSync(repository.root, workspace, { recursive: true, filter });
      symlinkSync(join(REPOSITORY, "node_modules"), join(workspace, "node_modules"));
    },
    // The second installs packages on this machine.
    ranBefore: ["npm ci --omit=dev --ignore-scripts", "npx --no -- smolvm-images setup"],
    workflow: repository.read(".github/workflows/drift.yml"),
    inputs: {},
    directory: tempDirectory(),
    repository: server.github.repository,
    apiUrl: server.url,
    sigstore: await OwnSigstore.create(),
    tokenFor: (job, permissions) => {
      asked[job] = permissions;
      const { contents = "none", "pull-requests": pulls = "none", issues = "none" } = permissions;
      const allowed = { contents, pull_requests: pulls, issues } as Permissions;
      server.github.tokens.set(`token-of-${job}`, allowed);
      return `token-of-${job}`;
    },
    env: Object.fromEntries(
      Object.entries(machine).filter(([name]) => !/^(GITHUB|VITEST|ACTIONS)|TOKEN/.test(name)),
    ),
  });
  await run.run();
  const failed = run.steps
    .filter(({ ok }) => !ok)
    .map(({ job, name, output }) => `${job}: ${name}: ${output}`);
  expect(failed).toEqual([]);
  expect(run.results).toEqual({ look: "success", write: "success" });
  expect(asked.look).toEqual({ contents: "read" });
  expect(server.github.pulls).toMatchObject([{ head: "bump/codex", title: "Bump codex to 0.170.0" }]);
  expect(server.github.branches.get("bump/codex")!["dockerfiles/codex/package-lock.json"]).toContain(
    "0.170.0",
  );
  expect(server.github.issues).toMatchObject([{ labels: ["drift"], open: true }]);
});
