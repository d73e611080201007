import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { releaseSigner } from "../../pipeline/attestation/signer.ts";
import { parseTrustedRoot } from "../../pipeline/attestation/trusted-root.ts";
import { verifyProvenance } from "../../pipeline/attestation/verify.ts";
import { Cells } from "../../pipeline/schema/cells.ts";
import { Manifest } from "../../pipeline/schema/manifest.ts";
import { RecordedDigests } from "../../pipeline/schema/recorded-digests.ts";
import { WorkflowRun } from "../support/actions/runner.ts";
import { ALPINE_TARBALL, hasAlpine, serveAlpine } from "../support/alpine.ts";
import type { Permissions } from "../support/github/github.ts";
import { GitHubServer } from "../support/github/server.ts";
import { REPOSITORY } from "../support/project.ts";
import { OwnSigstore } from "../support/sigstore.ts";
import { Copy } from "../support/synth-copy.ts";
import { TINY, tinyLockfile } from "../support/tiny.ts";

const TAG = "tiny-v0.0.1";

/** A tree of four cells; `check` is what the second preset must answer to, and `user` the account that it has. */
const tinyTree = (check: readonly string[], tag = TAG, user?: string) => `
import type { App } from "./constructs/app.ts";
import { BaseRootfs } from "./constructs/base-rootfs.ts";
import { Flavor } from "./constructs/flavor.ts";
import { npm } from "./constructs/install.ts";
import { Kernel } from "./constructs/kernel.ts";
import { PresetLayer } from "./constructs/preset-layer.ts";
import { Release } from "./constructs/release.ts";
import * as pins from "./pins.ts";

export function declareImages(app: App): void {
  const release = new Release(app, "tiny", {
    tag: "${tag}",
    repository: "example/images",
    archs: ["amd64"],
    vmms: ["qemu"],
    defaultFlavor: "alpine",
    newestFile: "2026-10-05T00:00:00Z",
    trustedRoot: "trusted_root.json",
    // Neither a dated archive nor a registry is part of this test.
    accepts: ["apk=unrecorded", "apt=live", "source=mmdebstrap trixie"],
  });
  const debian = Flavor.debian({ version: "13", suite: "trixie", image: pins.DEBIAN_IMAGE, snapshot: "20261120T000000Z" });
  new Kernel(release, "kernel", { source: pins.LINUX_SOURCE, buildOn: debian, boots: ["alpine"] });
  new BaseRootfs(release, "base-alpine", {
    flavor: Flavor.alpine({ version: "3.19", tarballs: { amd64: ${JSON.stringify(ALPINE_TARBALL)} } }),
    packages: ["ca-certificates-bundle", "openssh-keygen", "openssh-server"],
    diskMib: 512,
  });
  const install = npm("${TINY.package}", { binary: "${TINY.binary}" });
  new PresetLayer(release, "tiny", { install, check: ["esbuild", "--version"] });
  new PresetLayer(release, "other", { install, check: ${JSON.stringify(check)}, ${user ? `user: "${user}"` : ""} });
}
`;

describe.runIf(hasAlpine)("the generated workflow, run against a GitHub on loopback", () => {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-workflow-"));
  let repository: Copy;
  let server: GitHubServer;
  let sigstore: OwnSigstore;
  let mirror: { server: Server; url: string };
  const tokens = new Map<string, string>();
  /** Whether a job finds the kernel that this machine has compiled. */
  let compiled = true;
  beforeAll(async () => {
    mirror = await serveAlpine();
    server = await GitHubServer.start();
    sigstore = await OwnSigstore.create();
    repository = new Copy("project");
    cpSync(join(REPOSITORY, "scripts"), repository.path("scripts"), { recursive: true });
    for (const preset of ["tiny", "other"]) {
      for (const [path, text] of Object.entries(tinyLockfile(preset))) repository.write(path, text);
    }
    repository.write("trusted_root.json", sigstore.trustedRoot());
    await commit(["esbuild", "--no-such-flag"]);
  });
  afterAll(async () => {
    mirror.server.close();
    await server.stop();
    repository.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  const cellsOf = () => Cells.parse(JSON.parse(repository.read("out/cells.json")));

  /** Where this machine keeps the kernel of the tree's inputs, once it has compiled it. */
  const kernel = () => {
    const { id, inputs } = cellsOf().cells.find(({ kind }) => kind === "kernel")!;
    return join(REPOSITORY, "out/cache/kernels", `${id}-${inputs.slice(0, 12)}`);
  };

  /** A maintainer changes the tree, and synthesises it. */
  async function commit(...declared: Parameters<typeof tinyTree>): Promise<void> {
    repository.write("pipeline/images.ts", tinyTree(...declared));
    const { exitCode, stderr } = await repository.run(["synth"]);
    expect(exitCode, stderr).toBe(0);
  }

  /** The variables of a machine: none that anything is signed in with. */
  const machine = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(GITHUB|VITEST|ACTIONS)|TOKEN/.test(name)),
  );

  async function dispatch(inputs: Record<string, string | boolean> = {}): Promise<WorkflowRun> {
    const run = new WorkflowRun({
      checkout: (workspace) => {
        cpSync(repository.root, workspace, {
          recursive: true,
          filter: (path) => basename(path) !== "node_modules",
        });
        symlinkSync(join(REPOSITORY, "node_modules"), join(workspace, "node_modules"));
        // A job of a release compiles its kernel. Here it finds what this machine has compiled from the same inputs.
        mkdirSync(join(workspace, "out/cache/kernels"), { recursive: true });
        if (compiled && existsSync(kernel()))
          cpSync(kernel(), join(workspace, "out/cache/kernels", basename(kernel())), { recursive: true });
      },
      // The tests run in a checkout in which it was.
      ranBefore: ["npm ci --omit=dev --ignore-scripts"],
      // Among the packages is one that has turned bad.
      installScript: `node ${join(REPOSITORY, "test/support/actions/bad-package.mjs")}`,
      workflow: repository.read(".github/workflows/build-published-images.yml"),
      inputs: { presets: "all", flavors: "all", archs: "all", empty: false, final: false, ...inputs },
      directory: mkdtempSync(join(directory, "run-")),
      repository: server.github.repository,
      apiUrl: server.url,
      sigstore,
      onAttested: (sha256, bundle) => {
        server.github.attestations.push({ digest: `sha256:${sha256}`, bundle, predicate: "provenance" });
      },
      tokenFor: (job, asked) => {
        const token = `token-of-${job}-${tokens.size}`;
        const { contents = "none", "pull-requests": pulls = "none" } = asked;
        server.github.tokens.set(token, { contents, pull_requests: pulls } as Permissions);
        tokens.set(token, job);
        return token;
      },
      env: { ...machine, SMOLVM_APK_MIRROR: mirror.url },
    });
    await run.run();
    return run;
  }

  const outputs = (run: WorkflowRun) =>
    run.steps.filter(({ ok }) => !ok).map(({ job, name, output }) => `${job}: ${name}: ${output}`);
  const uploads = () => server.requests.filter((request) => /^POST .*\/assets$/.test(request)).length;
  let first: WorkflowRun;
  let second: WorkflowRun;

  it("a cell that fails keeps the release from being published, and loses nothing of the others", async () => {
    first = await dispatch();
    expect(first.results, outputs(first).join("\\n")).toEqual({
      ...{
        plan: "success",
        fetch: "skipped",
        kernel: "success",
        container: "success",
        base: "success",
        preset: "failure",
      },
      ...{ manifest: "skipped", attest: "skipped", "attest-manifest": "skipped" },
      ...{ publish: "failure", propose: "skipped" },
    });
    expect(outputs(first)).toEqual([
      expect.stringMatching(/^preset: Build, boot and stage: .*other-amd64-alpine/s),
      expect.stringMatching(
        /^publish: Check, upload and publish: exit 1\nwithheld: attest: skipped\nother-amd64-alpine/,
      ),
    ]);
    // One look says what there is, and what is missing.
    expect(first.summary).toContain(`${TAG}: not published`);
    expect(first.summary.match(/<tr>/g)).toHaveLength(5);
    // What the other cells made is kept by the run; nothing was written to a release.
    expect(first.artifacts.names.filter((name) => name.startsWith("cell-"))).toEqual(
      ["base-amd64-alpine", "kernel-amd64", "tiny-amd64-alpine"].map((id) => `cell-${id}`),
    );
    expect([server.github.releases, server.github.pulls, uploads()]).toEqual([[], [], 0]);
    // What a person needs to see why: the end of the console of the machine that failed.
    const console = first.artifacts.path("console-other-amd64-alpine");
    const [log] = readdirSync(console, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".log"),
    );
    expect(readFileSync(join(console, log!), "utf8")).toContain("SMOLVM_TS stage=");
    expect(first.artifacts.names).not.toContain("recorded");
  });

  it("run again with the cell mended, it sends everything, and publishes", async () => {
    await commit(["esbuild", "--version"]);
    second = await dispatch({ final: true });
    expect(second.results, outputs(second).join("\\n")).toEqual({
      ...{
        plan: "success",
        fetch: "skipped",
        kernel: "success",
        container: "success",
        base: "success",
        preset: "success",
      },
      ...{ manifest: "success", attest: "success", "attest-manifest": "success" },
      ...{ publish: "success", propose: "success" },
    });
    const [release, ...others] = server.github.releases;
    expect(others).toEqual([]);
    expect(release).toMatchObject({ tag: TAG, draft: false });
    const all = cellsOf().cells.flatMap((cell) => cell.assets);
    // Each asset, four inventories, the manifest, its attestation, the sums and the report, once.
    expect(uploads()).toBe(all.length + 4 + 4);
    const further = ["manifest.json", "manifest.json.sigstore.json", "SHA256SUMS", "report.html"];
    expect(release!.assets.map(({ name }) => name)).toEqual(expect.arrayContaining([...all, ...further]));
    const report = server.github.contents(release!)["report.html"]!;
    for (const name of all) expect(report).toContain(name);
  });

  it("the recorded digests are proposed, and are those of the release", async () => {
    expect(server.github.pulls).toMatchObject([
      { head: `recorded/${TAG}`, base: "main", title: `Record the digests of ${TAG}` },
    ]);
    const files = server.github.branches.get(`recorded/${TAG}`)!;
    expect(Object.keys(files).sort()).toEqual([
      ...["images.lock.json", "out/manifest.json", "out/published_images.py"],
    ]);
    const lock = RecordedDigests.parse(JSON.parse(files["images.lock.json"]!));
    expect(Object.keys(lock.assets).sort()).toEqual(
      cellsOf()
        .cells.flatMap((cell) => cell.assets)
        .sort(),
    );
    expect(files["out/manifest.json"]).toBe(
      server.github.contents(server.github.releases[0]!)["manifest.json"],
    );
    expect(Manifest.parse(JSON.parse(files["out/manifest.json"]!)).images).toHaveLength(2);
    // Once merged, they are what synth would write.
    for (const [path, text] of Object.entries(files)) repository.write(path, text);
    const { exitCode, stderr } = await repository.run(["synth", "--check"]);
    expect(exitCode, stderr).toBe(0);
  });

  it("the manifest on the release is attested by the run, and clients can check that", () => {
    const { "manifest.json": manifest, "manifest.json.sigstore.json": bundle } = server.github.contents(
      server.github.releases[0]!,
    );
    const sha256 = createHash("sha256").update(manifest!).digest("hex");
    const signer = releaseSigner(server.github.repository);
    const root = parseTrustedRoot(repository.read("trusted_root.json"), "the test's own");
    verifyProvenance(bundle!, { name: "manifest.json", sha256 }, signer, root);
    expect(second.artifacts.names.filter((name) => name.startsWith("attestation-"))).toEqual(
      [...cellsOf().cells.map(({ id }) => id), "manifest"].sort().map((of) => `attestation-${of}`),
    );
  });

  it("the page of the run has a row for each asset", () => {
    const rows = second.summary.match(/<tr>/g) ?? [];
    expect(rows).toHaveLength(1 + cellsOf().cells.flatMap((cell) => cell.assets).length);
    expect(second.summary).toContain(`${TAG}: published`);
    expect(second.summary).toContain("<td>built</td>");
  });

  it("a token is in the environment of the steps that talk to GitHub, with the permissions of their job alone", () => {
    const steps = [...first.steps, ...second.steps];
    const held = steps.filter(({ env }) => Object.values(env).some((value) => value.startsWith("token-of-")));
    expect([...new Set(held.map(({ job, name }) => `${job}: ${name}`))].sort()).toEqual([
      "plan: Decide what to build",
      "propose: Propose the recorded digests",
      "publish: Check the published release",
      "publish: Check, upload and publish",
    ]);
    for (const { job, env } of held) expect(tokens.get(env.GITHUB_TOKEN!)).toBe(job);
  });

  it("a package that has turned bad finds no token in any job that runs it, and may change nothing on GitHub", () => {
    const reports = readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((path) => basename(path) === "bad-package.json" && !path.includes("node_modules"))
      .map((path) => JSON.parse(readFileSync(join(directory, path), "utf8")));
    // kernel, container, base, and two presets, in two runs.
    expect(reports).toHaveLength(2 * 5);
    for (const { tokens, answers } of reports) {
      expect(tokens).toBe(0);
      expect(answers.map(({ status }: { status: number }) => status)).toEqual([403, 403, 403]);
    }
    expect(server.github.releases.map(({ tag }) => tag)).toEqual([TAG]);
    expect([...server.github.branches.keys()]).toEqual(["main", `recorded/${TAG}`]);
    expect(server.github.branches.get("main")).toEqual({});
  });

  it("no token is in what a run leaves behind", () => {
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes("/node_modules/"))
      .map((entry) => join(entry.parentPath, entry.name));
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => readFileSync(file).includes("token-of-"))).toEqual([]);
  });

  it("code of a package that replaces another job's artifacts after they were attested changes nothing", async () => {
    const tiny = cellsOf().cells.find(({ id }) => id === "tiny-amd64-alpine")!;
    const [asset] = tiny.assets;
    const artifact = (name: string, file: string) => join(second.artifacts.path(name), file);
    const facts = JSON.parse(readFileSync(artifact(`cell-${tiny.id}`, `${asset}.json`), "utf8"));
    // Everything that it can write agrees with each other: asset, facts, and an attestation that is real, of another cell.
    writeFileSync(artifact(`cell-${tiny.id}`, asset!), "evil");
    const sha256 = createHash("sha256").update("evil").digest("hex");
    writeFileSync(
      artifact(`cell-${tiny.id}`, `${asset}.json`),
      JSON.stringify({ ...facts, sha256, size: "evil".length }),
    );
    const bundle = "attestation.json";
    cpSync(artifact("attestation-other-amd64-alpine", bundle), artifact(`attestation-${tiny.id}`, bundle));
    const [release] = server.github.releases;
    const before = JSON.stringify(release);
    server.requests.length = 0;
    expect(await second.again("publish")).toBe("failure");
    const refused = second.steps.findLast(({ ok }) => !ok)!.output;
    expect(refused).toContain(
      `${asset}: the attestation of ${asset} is not valid: it is of other-amd64-alpine`,
    );
    expect(refused).toContain(
      "manifest.json: the attestation of manifest.json is not valid: it is of other bytes",
    );
    expect(refused).toContain(`${TAG} is not published, and nothing was changed: 3 problems`);
    expect(server.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
    expect(JSON.stringify(release)).toBe(before);
  });

  /** A release's assets and inventories: what its other files are made from. */
  const madeOf = (tag: string) => {
    const release = server.github.releases.find((each) => each.tag === tag)!;
    const {
      "manifest.json": _,
      "manifest.json.sigstore.json": __,
      SHA256SUMS: ___,
      "report.html": ____,
      ...rest
    } = server.github.contents(release);
    return rest;
  };
  const merge = (tag: string) => {
    const files = server.github.branches.get(`recorded/${tag}`)!;
    for (const [path, text] of Object.entries(files)) repository.write(path, text);
    return RecordedDigests.parse(JSON.parse(files["images.lock.json"]!));
  };
  const NOTHING_BUILT = { kernel: "skipped", container: "skipped", base: "skipped", preset: "skipped" };
  const PUBLISHED = {
    manifest: "success",
    "attest-manifest": "success",
    publish: "success",
    propose: "success",
  };

  it("a new tag alone starts no runner of a cell, and every asset is carried over", async () => {
    const next = "tiny-v0.0.2";
    await commit(["esbuild", "--version"], next);
    const run = await dispatch({ final: true });
    expect(run.results, outputs(run).join("\n")).toEqual({
      ...{ plan: "success", fetch: "skipped", attest: "skipped" },
      ...NOTHING_BUILT,
      ...PUBLISHED,
    });
    expect(madeOf(next)).toEqual(madeOf(TAG));
    const { assets } = merge(next);
    expect(new Set(Object.values(assets).map(({ from }) => from))).toEqual(new Set([TAG]));
    expect(run.summary).toContain(`<td>carried from ${TAG}</td>`);
  });

  it("a preset that changed is built alone, on its base's container and with the kernel of the release", async () => {
    const next = "tiny-v0.0.3";
    await commit(["esbuild", "--version"], next, "node");
    compiled = false;
    const run = await dispatch({ final: true });
    expect(run.results, outputs(run).join("\n")).toEqual({
      ...{ plan: "success", fetch: "success", attest: "success" },
      ...{ ...NOTHING_BUILT, container: "success", preset: "success" },
      ...PUBLISHED,
    });
    expect(run.artifacts.names.filter((name) => name.startsWith("cell-"))).toEqual([
      "cell-other-amd64-alpine",
    ]);
    const asset = "other-amd64-alpine-rootfs.ext4.zst";
    const { [asset]: built, ...others } = madeOf(next);
    const { [asset]: before, ...same } = madeOf(TAG);
    expect(built).not.toBe(before);
    expect(Object.keys(others)).toEqual(expect.arrayContaining(Object.keys(same)));
    for (const [name, bytes] of Object.entries(same)) {
      if (name !== "other-amd64-alpine-rootfs.cdx.json") expect(others[name], name).toBe(bytes);
    }
    const { assets } = merge(next);
    expect(assets[asset]?.from).toBeUndefined();
    expect(assets["vmlinux-amd64.elf"]?.from).toBe(TAG);
  });
});
