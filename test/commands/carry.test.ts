import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { releaseSigner } from "../../pipeline/attestation/signer.ts";
import type { PlannedCell } from "../../pipeline/plan/plan.ts";
import { Cells } from "../../pipeline/schema/cells.ts";
import { RecordedDigests } from "../../pipeline/schema/recorded-digests.ts";
import { WorkflowRun } from "../support/actions/runner.ts";
import { subjectsOf } from "../support/attested.ts";
import type { Permissions } from "../support/github/github.ts";
import { GitHubServer } from "../support/github/server.ts";
import { bytesOf, Publisher, stage } from "../support/github/staging.ts";
import { REPOSITORY } from "../support/project.ts";
import { SAMPLE_FILES } from "../support/sample/files.ts";
import { OwnSigstore } from "../support/sigstore.ts";
import { Copy } from "../support/synth-copy.ts";

const FIRST = "images-v7.0.0";
const NEXT = "images-v7.0.1";

/** The sample tree, with another tag, and a sigstore of the test's own. */
const declared = (tag: string) =>
  readFileSync(join(REPOSITORY, "test/support/sample/images.ts"), "utf8")
    .replace("../../../pipeline/constructs/index.ts", "./constructs/index.ts")
    .replace(`"${FIRST}"`, `"${tag}"`)
    .replace("since: IMAGES_RELEASE_TAG", `since: "${FIRST}"`)
    .replace(/( +)accepts: /, '$1trustedRoot: "trusted_root.json",\n$1accepts: ');

describe("the workflow, of a tree in which only the tag changed since the last release", () => {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-carry-"));
  const repository = new Copy("project");
  let server: GitHubServer;
  let sigstore: OwnSigstore;
  let cells: Cells;

  async function commit(tag: string): Promise<void> {
    repository.write("pipeline/images.ts", declared(tag));
    const { exitCode, stderr } = await repository.run(["synth"]);
    expect(exitCode, stderr).toBe(0);
    cells = Cells.parse(JSON.parse(repository.read("out/cells.json")));
  }

  beforeAll(async () => {
    server = await GitHubServer.start();
    sigstore = await OwnSigstore.create();
    for (const [path, text] of Object.entries(SAMPLE_FILES)) repository.write(path, text);
    repository.write("trusted_root.json", sigstore.trustedRoot());
    await commit(FIRST);
    const staged = join(directory, "staged");
    stage(cells, staged);
    const publisher = new Publisher(server, cells, staged);
    await publisher.all();
    repository.write("images.lock.json", JSON.stringify(publisher.recorded));
    const signer = releaseSigner(server.github.repository);
    for (const cell of cells.cells.filter(({ published }) => published)) {
      const bundle = await sigstore.attest(subjectsOf(cell), signer);
      for (const { sha256 } of subjectsOf(cell)) server.github.setProvenance(sha256, [bundle]);
    }
    await commit(NEXT);
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    repository.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The variables of a machine: none that anything is signed in with. */
  const machine = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(GITHUB|VITEST|ACTIONS)|TOKEN/.test(name)),
  );

  async function dispatch(inputs: Record<string, string | boolean> = {}): Promise<WorkflowRun> {
    const run = new WorkflowRun({
      checkout: (workspace) => {
        const filter = (path: string) => basename(path) !== "node_modules";
        cpSync(repository.root, workspace, { recursive: true, filter });
        symlinkSync(join(REPOSITORY, "node_modules"), join(workspace, "node_modules"));
      },
      ranBefore: ["npm ci", "npm ci --omit=dev --ignore-scripts"],
      workflow: repository.read(".github/workflows/build-published-images.yml"),
      inputs: {
        presets: "all",
        flavors: "all",
        archs: "all",
        all: false,
        empty: false,
        final: false,
        ...inputs,
      },
      directory: mkdtempSync(join(directory, "run-")),
      repository: server.github.repository,
      apiUrl: server.url,
      sigstore,
      tokenFor: (job, asked) => {
        const { contents = "none", "pull-requests": pulls = "none" } = asked;
        server.github.tokens.set(`token-of-${job}`, { contents, pull_requests: pulls } as Permissions);
        return `token-of-${job}`;
      },
      env: machine,
    });
    await run.run();
    return run;
  }

  const outputs = (run: WorkflowRun) =>
    run.steps.filter(({ ok }) => !ok).map(({ job, name, output }) => `${job}: ${name}: ${output}`);
  const held = (tag: string) => server.github.releases.find((release) => release.tag === tag)!;

  it("starts no runner of a cell, and publishes a release whose assets are all carried over", async () => {
    const run = await dispatch({ final: true });
    expect(run.results, outputs(run).join("\n")).toEqual({
      ...{ plan: "success", fetch: "skipped", kernel: "skipped", container: "skipped", base: "skipped" },
      ...{ preset: "skipped", manifest: "success", attest: "skipped", "attest-manifest": "success" },
      ...{ publish: "success", propose: "success" },
    });
    expect(held(NEXT).draft).toBe(false);
    const { "manifest.json": manifest, ...files } = server.github.contents(held(NEXT));
    const { "manifest.json": _, SHA256SUMS: __, ...before } = server.github.contents(held(FIRST));
    expect(files).toMatchObject(before);
    expect(Object.keys(files).sort()).toEqual(
      [...Object.keys(before), "SHA256SUMS", "manifest.json.sigstore.json"].sort(),
    );
    expect(JSON.parse(manifest!)).toMatchObject({ tag: NEXT, images: { length: 48 } });
    expect(run.summary).toContain(`<td>carried from ${FIRST}</td>`);

    const proposed = server.github.branches.get(`recorded/${NEXT}`)!;
    const { tag, assets } = RecordedDigests.parse(JSON.parse(proposed["images.lock.json"]!));
    expect([tag, Object.keys(assets).length]).toEqual([NEXT, 24]);
    expect(new Set(Object.values(assets).map(({ from }) => from))).toEqual(new Set([FIRST]));
    expect(proposed["out/manifest.json"]).toBe(manifest);
  });

  it("builds, with the reason, what the release no longer has as it was attested", async () => {
    const asset = "pi-arm64-alpine-rootfs.ext4.zst";
    const { sha256 } = RecordedDigests.parse(JSON.parse(repository.read("images.lock.json"))).assets[asset]!;
    server.github.setProvenance(sha256, []);
    const env = {
      GITHUB_API_URL: server.url,
      GITHUB_REPOSITORY: server.github.repository,
      GITHUB_TOKEN: "good",
    };
    const { stdout, stderr } = await repository.run(["plan", "--check-release", "--json"], env);
    const planned: PlannedCell[] = JSON.parse(stdout).cells;
    expect(planned.filter(({ action }) => action !== "carry")).toEqual([
      { id: "pi-arm64-alpine", action: "build", why: `${asset}: it is not attested` },
    ]);
    expect(stderr).toContain(`22 cells for ${NEXT}, 1 to build, 21 to carry over`);
  });

  it("downloads the kernel that boots what is built, and no other, from the last release", async () => {
    const env = { GITHUB_API_URL: server.url, GITHUB_REPOSITORY: server.github.repository };
    const fetched = await repository.run(["release", "fetch", "kernel-arm64"], env);
    expect(fetched).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(`kernel-arm64: from ${FIRST}`),
    });
    const { inputs } = cells.cells.find(({ id }) => id === "kernel-arm64")!;
    const directory = `out/cache/kernels/kernel-arm64-${inputs.slice(0, 12)}-released`;
    expect(repository.read(`${directory}/elf`)).toBe(bytesOf("vmlinux-arm64.elf"));
    expect(repository.read(`${directory}/image`)).toBe(bytesOf("vmlinux-arm64.image"));
    expect(readdirSync(repository.path("out/cache/kernels"))).toEqual([basename(directory)]);

    const other = await repository.run(["release", "fetch", "codex-amd64-ubuntu"], env);
    expect(other).toMatchObject({
      ...{ exitCode: 2, stdout: "" },
      stderr: "error: codex-amd64-ubuntu is not a kernel: name a kernel, such as kernel-amd64\n",
    });
    repository.write(
      "dockerfiles/kernel/amd64.config",
      `${repository.read("dockerfiles/kernel/amd64.config")}\n`,
    );
    await commit(NEXT);
    const changed = await repository.run(["release", "fetch", "kernel-amd64"], env);
    expect(changed).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(
        /^error: kernel-amd64 is not in the last release: dockerfiles\/kernel\/amd64\.config [0-9a-f]{12} -> [0-9a-f]{12}: compile it: `npx smolvm-images cell kernel-amd64`\n$/,
      ),
    });
  });
});
