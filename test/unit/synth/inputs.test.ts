import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { App } from "../../../pipeline/constructs/app.ts";
import { BaseRootfs, type BaseRootfsProps } from "../../../pipeline/constructs/base-rootfs.ts";
import { type AptProps, type DebianProps, Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Initramfs, type InitramfsProps } from "../../../pipeline/constructs/initramfs/initramfs.ts";
import { npm, type UvOptions, uv } from "../../../pipeline/constructs/install.ts";
import { Kernel, type KernelProps } from "../../../pipeline/constructs/kernel.ts";
import { PresetLayer, type PresetLayerProps } from "../../../pipeline/constructs/preset-layer.ts";
import { Release, type ReleaseProps } from "../../../pipeline/constructs/release.ts";
import { declareImages } from "../../../pipeline/images.ts";
import { type Cell, type Cells, RECIPE_VERSION } from "../../../pipeline/schema/cells.ts";
import { renderCells } from "../../../pipeline/synth/cells.ts";
import { filesIn } from "../../../pipeline/synth/project.ts";
import { REPOSITORY } from "../../support/project.ts";
import { lockfile, RELEASE_PROPS } from "../../support/tree.ts";

const digest = (digit: string) => `@sha256:${digit.repeat(64)}`;
const committed = filesIn(REPOSITORY);

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Props<T> = Writable<Partial<T>>;

/** What a small tree declares: of every kind of construct one or two, for two archs. A test changes a part of it. */
interface Declared {
  files: Record<string, string | undefined>;
  ids: Record<"release" | "kernel" | "ubuntu" | "alpine", string>;
  release: Props<ReleaseProps>;
  ubuntu: Writable<AptProps>;
  alpine: { image: string };
  debian: Writable<DebianProps>;
  kernel: Props<KernelProps>;
  onUbuntu: Props<BaseRootfsProps>;
  onAlpine: Props<BaseRootfsProps>;
  tool: Props<PresetLayerProps>;
  agent: Writable<UvOptions>;
  appliance: Props<InitramfsProps>;
  another: boolean;
}

const TOOL_LOCK = "dockerfiles/tool/package-lock.json";
const TOOL_PACKAGE = "dockerfiles/tool/package.json";
const TOOLS_DOCKERFILE = "dockerfiles/tools/Dockerfile";
const listingPath = (arch: string) => `listings/base-${arch}-alpine.json`;
const listing = (...packages: string[]) =>
  JSON.stringify({ schema_version: 1, id: "base", content_size: 1, files: {}, packages });
const tarball = (digit: string) => ({ url: "https://example.com/rootfs.tar.gz", sha256: digit.repeat(64) });
const program = (digit: string) => ({ path: "/usr/local/bin/agent", files: programFiles(digit) });
const inRelease = (digit: string) => ({
  amd64: {
    url: "https://github.com/example/zinit/releases/download/v1/zinit-x86_64",
    sha256: digit.repeat(64),
  },
  arm64: { url: "https://github.com/example/zinit/releases/download/v1/zinit-aarch64" },
});
const programFiles = (digit: string) => ({ amd64: tarball(digit), arm64: tarball("8") });

const declared = (): Declared => ({
  files: {
    ...{ [TOOL_LOCK]: lockfile("tool", {}), [TOOL_PACKAGE]: "{}" },
    ...{ "dockerfiles/other/package-lock.json": lockfile("other", {}) },
    ...{ "dockerfiles/other/package.json": "{}" },
    ...{ "init/initramfs/init": "#!/bin/sh", "init/initramfs/debug": "#!/bin/sh", "our/init": "#!/bin/sh" },
    ...{ [listingPath("amd64")]: listing("apk musl 1.2.5-r9"), [listingPath("arm64")]: undefined },
  },
  ids: { release: "test", kernel: "kernel", ubuntu: "base-ubuntu", alpine: "base-alpine" },
  release: { archs: ["amd64", "arm64"], vmms: ["qemu", "libkrun"], newestFile: "2026-10-05T00:00:00Z" },
  ubuntu: {
    ...{ version: "24.04", image: `ubuntu${digest("1")}`, snapshot: "20261120T000000Z" },
    tarballs: { amd64: tarball("1"), arm64: tarball("2") },
  },
  alpine: { image: `alpine${digest("2")}` },
  debian: { version: "13", image: `debian${digest("3")}`, suite: "trixie", snapshot: "20261120T000000Z" },
  kernel: { source: { package: "linux-source-6.12", version: "6.12.115-1" }, boots: ["ubuntu"] },
  onUbuntu: { packages: ["openssh-server"], diskMib: 1024, uv: `uv${digest("4")}`, programs: [program("7")] },
  onAlpine: { packages: ["openssh-server"], diskMib: 512, published: false },
  tool: { install: npm("tool", { binary: "tool/bin/tool" }), check: ["tool", "--version"] },
  agent: { repository: "https://example.com/agent", commit: "a".repeat(40), extras: ["all"] },
  appliance: {
    packages: { kmod: "loads modules" },
    programs: [{ path: "/sbin/zinit", files: inRelease("7") }],
    services: { lo: { exec: "ip link set lo up" } },
  },
  another: false,
});

function rendered(tree: Declared): Rendered {
  const { ids } = tree;
  const read = (path: string) => (Object.hasOwn(tree.files, path) ? tree.files[path] : committed(path));
  const app = new App({ files: read });
  const release = new Release(app, ids.release, { ...RELEASE_PROPS, ...tree.release });
  const required = { packages: [], diskMib: 64 };
  const ubuntu = Flavor.ubuntu(tree.ubuntu);
  const alpine = Flavor.alpine({ version: "3.24", ...tree.alpine });
  new BaseRootfs(release, ids.ubuntu, { ...required, flavor: ubuntu, ...tree.onUbuntu });
  new BaseRootfs(release, ids.alpine, { ...required, flavor: alpine, ...tree.onAlpine });
  const check = ["tool"];
  if (tree.another) new PresetLayer(release, "other", { install: npm("other"), check });
  new PresetLayer(release, "tool", { install: npm("tool"), check, ...tree.tool });
  new PresetLayer(release, "agent", {
    ...{ install: uv(tree.agent), check: ["agent"], refuses: { alpine: "it has no wheels" } },
  });
  const buildOn = Flavor.debian(tree.debian);
  const source = { package: "linux-source-6.12", version: "1" };
  new Kernel(release, ids.kernel, { source, buildOn, boots: ["ubuntu"], ...tree.kernel });
  // Its distributions are its own, so that nothing else changes with them.
  const own = { version: "3.22", image: `alpine${digest("6")}` };
  new Initramfs(release, "box", {
    flavor: Flavor.alpine(own),
    kernel: { flavor: Flavor.debian({ ...tree.debian, image: `debian${digest("6")}` }) },
    packages: {},
    ...tree.appliance,
  });
  return cellsById(renderCells(release).cells);
}

type Rendered = ReadonlyMap<string, Cell>;
const cellsById = ({ cells }: Pick<Cells, "cells">): Rendered =>
  new Map(cells.map((cell) => [cell.id, cell]));

/** The ids of the cells of `original` whose inputs are different in `now`. */
const changed = (original: Rendered, now: Rendered): string[] =>
  [...original.values()].flatMap(({ id, inputs }) => (now.get(id)?.inputs === inputs ? [] : [id]));

const ALL = [...rendered(declared()).keys()];
const having = (...parts: string[]) => ALL.filter((id) => parts.every((part) => id.includes(part)));
const KERNELS = having("kernel");
const APPLIANCES = having("initramfs");
const IMAGES = ALL.filter((id) => ![...KERNELS, ...APPLIANCES].includes(id));
/** What is made in the tool container. */
const PACKED = ALL.filter((id) => !KERNELS.includes(id));

const edit =
  (path: string) =>
  ({ files }: Declared) => {
    files[path] = `${files[path] ?? committed(path)}\n`;
  };

const set = <T extends object>(part: T, values: Partial<T>): void => {
  Object.assign(part, values);
};

/** A change of one input, and the cells that are made from it. */
const INPUTS: readonly [string, (tree: Declared) => void, readonly string[]][] = [
  [
    "the base image of a flavor",
    ({ ubuntu }) => set(ubuntu, { image: `ubuntu${digest("5")}` }),
    having("ubuntu"),
  ],
  [
    "the tarball of a flavor for one arch",
    ({ ubuntu }) => set(ubuntu, { tarballs: { amd64: tarball("9"), arm64: tarball("2") } }),
    having("amd64", "ubuntu"),
  ],
  [
    "the image of another flavor",
    ({ alpine }) => set(alpine, { image: `alpine${digest("5")}` }),
    having("alpine"),
  ],
  ["the archive's instant", ({ ubuntu }) => set(ubuntu, { snapshot: "20261121T000000Z" }), having("ubuntu")],
  [
    "the archive's instant of the compiler, and of the kernel of an appliance",
    ({ debian }) => set(debian, { snapshot: "20261121T000000Z" }),
    [...KERNELS, ...APPLIANCES],
  ],
  ["the compiler's image", ({ debian }) => set(debian, { image: `debian${digest("5")}` }), KERNELS],
  ["the compiler's suite", ({ debian }) => set(debian, { suite: "forky" }), [...KERNELS, ...APPLIANCES]],
  [
    "the source of the kernel",
    ({ kernel }) => set(kernel, { source: { package: "linux-source-6.12", version: "6.12.116-1" } }),
    KERNELS,
  ],
  [
    "a package of a base",
    ({ onUbuntu }) => set(onUbuntu, { packages: ["git", "openssh-server"] }),
    having("ubuntu"),
  ],
  ["uv", ({ onUbuntu }) => set(onUbuntu, { uv: `uv${digest("5")}` }), having("ubuntu")],
  [
    "a program of a base for one arch",
    ({ onUbuntu }) => set(onUbuntu, { programs: [program("9")] }),
    having("amd64", "ubuntu"),
  ],
  ["the size of the disk", ({ onAlpine }) => set(onAlpine, { diskMib: 600 }), having("alpine")],
  [
    "the instant of the newest file",
    ({ release }) => set(release, { newestFile: "2026-10-06T00:00:00Z" }),
    PACKED,
  ],
  ["a preset's lockfile", edit(TOOL_LOCK), having("tool")],
  ["a preset's package.json", edit(TOOL_PACKAGE), having("tool")],
  [
    "a preset's program",
    ({ tool }) => set(tool, { install: npm("tool", { binary: "tool/x" }) }),
    having("tool"),
  ],
  ["a preset's check", ({ tool }) => set(tool, { check: ["tool", "version"] }), having("tool")],
  ["a preset's account", ({ tool }) => set(tool, { user: "node" }), having("tool")],
  ["the commit of a preset", ({ agent }) => set(agent, { commit: "b".repeat(40) }), having("agent")],
  ["the extras of a preset", ({ agent }) => set(agent, { extras: [] }), having("agent")],
  ["/init", edit("init/init"), IMAGES],
  ["the configuration of sshd", edit("init/sshd_config"), IMAGES],
  ["the tools' Dockerfile", edit(TOOLS_DOCKERFILE), PACKED],
  ["the tools' lockfile", edit("dockerfiles/tools/package-lock.json"), PACKED],
  ["the tools' package.json", edit("dockerfiles/tools/package.json"), PACKED],
  ["the network's settings", edit("dockerfiles/network/env"), ALL],
  ["how the archive is asked", edit("dockerfiles/network/snapshot"), ALL],
  ["a fragment of every kernel", edit("dockerfiles/kernel/common.config"), KERNELS],
  ["a fragment of one arch", edit("dockerfiles/kernel/arm64.config"), having("kernel-arm64")],
  ["how the kernel is compiled", edit("dockerfiles/kernel/build"), KERNELS],
  [
    "the recorded versions of apk",
    ({ files }) => set(files, { [listingPath("amd64")]: listing("apk musl 1.2.5-r10") }),
    having("amd64", "alpine"),
  ],
  [
    "the userland of an appliance",
    ({ appliance }) =>
      set(appliance, { flavor: Flavor.alpine({ version: "3.22", image: `alpine${digest("9")}` }) }),
    APPLIANCES,
  ],
  [
    "the distribution of its kernel",
    ({ appliance }) =>
      set(appliance, {
        kernel: { flavor: Flavor.alpine({ version: "3.22", image: `alpine${digest("6")}` }) },
      }),
    APPLIANCES,
  ],
  [
    "the version of its kernel",
    ({ appliance, debian }) =>
      set(appliance, {
        kernel: { flavor: Flavor.debian({ ...debian, image: `debian${digest("6")}` }), version: "edge" },
      }),
    APPLIANCES,
  ],
  ["the set of its modules", ({ appliance }) => set(appliance, { modules: "full" }), APPLIANCES],
  [
    "a module of its own",
    ({ appliance }) => set(appliance, { extraModules: [{ name: "nfs", why: "its disks" }] }),
    APPLIANCES,
  ],
  [
    "a package of an appliance",
    ({ appliance }) => set(appliance, { packages: { curl: "HTTP" } }),
    APPLIANCES,
  ],
  [
    "a program of it for one arch",
    ({ appliance }) => set(appliance, { programs: [{ path: "/sbin/zinit", files: inRelease("8") }] }),
    ["initramfs-box-amd64"],
  ],
  [
    "the command of a service",
    ({ appliance }) => set(appliance, { services: { lo: { exec: "ip link set lo down" } } }),
    APPLIANCES,
  ],
  ["what it starts", ({ appliance }) => set(appliance, { start: ["/sbin/zinit", "init", "-d"] }), APPLIANCES],
  ["the size of its tmpfs", ({ appliance }) => set(appliance, { rootMib: 512 }), APPLIANCES],
  ["its command line", ({ appliance }) => set(appliance, { commandLine: "console=ttyS1" }), APPLIANCES],
  ["its own script as /init", ({ appliance }) => set(appliance, { init: "our/init" }), APPLIANCES],
  ["the /init of appliances", edit("init/initramfs/init"), APPLIANCES],
  ["their debug hook", edit("init/initramfs/debug"), APPLIANCES],
  ["how their kernel is unpacked", edit("dockerfiles/initramfs/kernel.sh"), APPLIANCES],
  ["how their modules are copied", edit("dockerfiles/initramfs/modules.sh"), APPLIANCES],
  ["how their EFI file is made", edit("dockerfiles/tools/efi"), APPLIANCES],
  ["the container in which it is made", edit("dockerfiles/tools/efi.Dockerfile"), APPLIANCES],
];

/** A change that decides no byte of an image. */
const NO_INPUTS: readonly [string, (tree: Declared) => void][] = [
  ["the tag", ({ release }) => set(release, { tag: "test-v2" })],
  ["the repository", ({ release }) => set(release, { repository: "example/other" })],
  ["the VMMs", ({ release }) => set(release, { vmms: ["firecracker", "qemu", "libkrun"] })],
  ["the VMMs of a base", ({ onUbuntu }) => set(onUbuntu, { vmms: ["qemu"] })],
  ["the VMMs of a preset", ({ tool }) => set(tool, { vmms: ["qemu"] })],
  ["what is accepted", ({ release }) => set(release, { accepts: ["apt=live"] })],
  [
    "the default flavor, which only names an asset",
    ({ release }) => set(release, { defaultFlavor: "alpine" }),
  ],
  ["whether a base is published", ({ onAlpine }) => set(onAlpine, { published: true })],
  ["the budget of a base", ({ onUbuntu }) => set(onUbuntu, { budget: { contentMb: 1, assetMb: 1 } })],
  ["the budget of a preset", ({ tool }) => set(tool, { budget: { contentMb: 1, assetMb: 1 } })],
  ["the budget of an appliance", ({ appliance }) => set(appliance, { budget: { contentMb: 1, assetMb: 1 } })],
  [
    "another release that a variable may choose",
    ({ appliance }) =>
      set(appliance, {
        otherVersions: [Flavor.alpine({ version: "3.21", image: `alpine${digest("9")}` })],
      }),
  ],
  [
    "what a package is there for",
    ({ appliance }) => {
      const packages = Object.keys(appliance.packages ?? {}).map((name) => [name, "loads the modules"]);
      set(appliance, { packages: Object.fromEntries(packages) });
    },
  ],
  ["the ids of constructs", ({ ids }) => set(ids, { release: "r", kernel: "k", ubuntu: "u", alpine: "a" })],
  ["the order of packages", ({ onAlpine }) => set(onAlpine, { packages: [...onAlpine.packages!].reverse() })],
  ["what a kernel boots", ({ kernel }) => set(kernel, { boots: ["ubuntu", "alpine"] })],
  ["another preset", (tree) => set(tree, { another: true })],
  [
    "what else is listed",
    ({ files }) => {
      const path = listingPath("amd64");
      files[path] = files[path]!.replace("]", ',"npm a 1.0.0"]');
    },
  ],
  [
    "the list of a dated archive",
    ({ files }) => set(files, { "listings/base-amd64-ubuntu.json": listing("deb a 1") }),
  ],
];

describe("the inputs of a cell", () => {
  const original = rendered(declared());
  const edited = (...changes: readonly ((tree: Declared) => void)[]) => {
    const tree = declared();
    for (const change of changes) change(tree);
    return rendered(tree);
  };

  it.each(INPUTS)("change with %s: exactly those of what is made from it", (_, change, cells) => {
    expect(cells).not.toEqual([]);
    expect(changed(original, edited(change))).toEqual(cells);
  });

  it.each(NO_INPUTS)("do not change with %s", (_, change) => {
    expect(changed(original, edited(change))).toEqual([]);
  });

  it("change with several inputs as with each of them, and with nothing else", () => {
    const some = fc.tuple(fc.subarray([...INPUTS]), fc.subarray([...NO_INPUTS]));
    fc.assert(
      fc.property(some, ([inputs, others]) => {
        const made = new Set(inputs.flatMap(([, , cells]) => cells));
        const now = edited(...inputs.map(([, change]) => change), ...others.map(([, change]) => change));
        expect(changed(original, now)).toEqual(ALL.filter((id) => made.has(id)));
      }),
      { numRuns: 50 },
    );
  });

  it("are explained: each change is one of a part that has a name, and nothing else has", () => {
    fc.assert(
      fc.property(fc.subarray([...INPUTS]), fc.subarray([...NO_INPUTS]), (inputs, others) => {
        const now = edited(...inputs.map(([, change]) => change), ...others.map(([, change]) => change));
        const unlike = [...original.values()].filter(
          ({ id, made_from }) => !same(made_from, now.get(id)!.made_from),
        );
        expect(unlike.map(({ id }) => id)).toEqual(changed(original, now));
      }),
      { numRuns: 50 },
    );
  });
});

const same = (a: object, b: object) => {
  const sorted = (of: object) => JSON.stringify(Object.entries(of).sort());
  return sorted(a) === sorted(b);
};

describe("the inputs of this project's cells", () => {
  /** The real tree, and the paths of the files that it is made from. */
  function project(touched: ReadonlySet<string> = new Set(), change: (release: Release) => void = () => {}) {
    const read = new Set<string>();
    const app = new App({
      files: (path) => {
        const text = committed(path);
        if (text !== undefined) read.add(path);
        return text === undefined || !touched.has(path) ? text : withChange(path, text);
      },
    });
    declareImages(app);
    const release = app.node.findAll().find((construct) => construct instanceof Release)!;
    change(release);
    return { cells: cellsById(renderCells(release).cells), read: [...read].sort() };
  }

  /** Another text of a file that means the same: for a listing, other versions of packages. */
  const withChange = (path: string, text: string) =>
    path.startsWith("listings/") ? text.replaceAll(/("apk [^"]+)"/g, '$1.1"') : `${text}\n`;

  const { cells: original, read } = project();
  const ids = [...original.keys()];

  /** Whether a cell is made from a file, by the file's place in the repository. */
  function isMadeFrom(id: string, path: string): boolean {
    const kernel = id.startsWith("kernel-");
    const appliance = id.startsWith("initramfs-");
    const [top, directory, name = ""] = path.split("/");
    if (top === "init") return !kernel && appliance === (directory === "initramfs");
    if (directory === "initramfs") return appliance;
    if (directory === "tools" && name.startsWith("efi")) return appliance;
    if (top === "listings") {
      const [base] = directory!.split(".");
      return (
        original.get(id)!.kind !== "kernel" &&
        id.endsWith(base!.replace(/^base/, "")) &&
        id.includes("alpine")
      );
    }
    if (directory === "network") return true;
    if (directory === "tools") return !kernel;
    if (directory === "kernel") {
      const arch = /^(amd64|arm64)\.config$/.exec(name)?.[1];
      return kernel && (arch === undefined || id === `kernel-${arch}`);
    }
    return new RegExp(`^${directory}-(amd64|arm64)-`).test(id);
  }

  it("change with each file, or several, of what is made from them alone", () => {
    expect(read).toEqual(expect.arrayContaining(["init/init", "dockerfiles/tools/Dockerfile"]));
    fc.assert(
      fc.property(fc.subarray(read), (touched) => {
        const { cells: now } = project(new Set(touched));
        const made = ids.filter((id) => touched.some((path) => isMadeFrom(id, path)));
        expect(changed(original, now)).toEqual(made);
      }),
      { numRuns: 30 },
    );
    for (const path of read) {
      const { cells: now } = project(new Set([path]));
      expect([path, ...changed(original, now)]).toEqual([path, ...ids.filter((id) => isMadeFrom(id, path))]);
    }
  });

  it("change with the version of the recipe, but for a kernel's", async () => {
    const app = new App({ files: committed });
    declareImages(app);
    const release = app.node.findAll().find((construct) => construct instanceof Release)!;
    vi.doMock("../../../pipeline/schema/cells.ts", async (original) => ({
      ...(await original<object>()),
      RECIPE_VERSION: RECIPE_VERSION + 1,
    }));
    vi.resetModules();
    const raised = await import("../../../pipeline/synth/cells.ts");
    const now = cellsById(raised.renderCells(release).cells);
    vi.doUnmock("../../../pipeline/schema/cells.ts");
    vi.resetModules();
    expect(changed(original, now)).toEqual(ids.filter((id) => !id.startsWith("kernel-")));
  });

  it("do not change with a budget, VMMs, a tag, or a preset that is added or gone", () => {
    const budget = { contentMb: 7, assetMb: 7 };
    const { cells: now } = project(new Set(), (release) => {
      const values = { tag: "other-v9", repository: "example/other", vmms: ["qemu"], accepts: [] };
      Object.assign(release, values);
      for (const each of [...release.bases, ...release.presets]) Object.assign(each, { budget });
      for (const base of release.bases) Object.assign(base, { published: true });
      const agent = uv({ repository: "https://example.com/agent", commit: "a".repeat(40) });
      new PresetLayer(release, "another", { install: agent, check: ["another"] });
      release.presets.unshift(release.presets.pop()!);
    });
    expect(changed(original, now)).toEqual([]);
    const { cells: fewer } = project(new Set(), (release) => void release.presets.shift());
    const gone = ids.filter((id) => !fewer.has(id));
    expect(gone.length).toBeGreaterThan(0);
    expect(changed(original, fewer)).toEqual(gone);
  });
});
