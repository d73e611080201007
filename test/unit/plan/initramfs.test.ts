import { describe, expect, it } from "vitest";
import { selectCells } from "../../../pipeline/plan/cells.ts";
import { freshnessOf, inputsWith } from "../../../pipeline/plan/freshness.ts";
import { INITRAMFS_VARIABLES, initramfsOverrides } from "../../../pipeline/plan/initramfs.ts";
import { InitramfsCell } from "../../../pipeline/schema/cells.ts";
import { Facts } from "../../../pipeline/schema/facts.ts";
import { modulesOf } from "../../../pipeline/schema/initramfs/modules.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { sampleCells } from "../../support/tree.ts";

const HASH = "a".repeat(64);
const sources = (version: string) => [
  { from: "tarball" as const, url: `https://alpine.example/${version}.tar.gz`, sha256: HASH },
];
const zinit = {
  path: "/sbin/zinit",
  repository: "threefoldtech/zinit",
  version: "v0.2.28",
  asset: "zinit-linux-x86_64",
  url: "https://github.com/threefoldtech/zinit/releases/download/v0.2.28/zinit-linux-x86_64",
  sha256: HASH,
};

const declared: InitramfsCell = InitramfsCell.parse({
  id: "initramfs-zos-amd64",
  arch: "amd64",
  assets: ["initramfs-zos-amd64.cpio.xz", "vmlinuz-zos-amd64.efi"],
  inputs: HASH,
  made_from: {},
  published: false,
  dockerfile: "dockerfiles/initramfs/zos/Dockerfile",
  files: [],
  kind: "initramfs",
  name: "zos",
  flavor: "alpine",
  mode: "debug",
  version: "3.24",
  sources: sources("3.24"),
  other_versions: [{ version: "3.23", sources: sources("3.23") }],
  kernel: { flavor: "alpine", version: "lts", package: "linux-lts", sources: sources("3.24") },
  module_set: "minimal",
  modules: [
    ...modulesOf("minimal", "alpine"),
    { name: "wireguard", set: "declared", essential: false, optional: false },
  ],
  programs: [zinit],
  services: [],
  init: ["/sbin/zinit", "init"],
  command_line: "console=ttyS0",
  root_mib: 1536,
  budget: null,
  verify_checksums: true,
  cache_downloads: true,
});
const onDebian: InitramfsCell = {
  ...declared,
  flavor: "debian",
  version: "13",
  kernel: { ...declared.kernel, flavor: "debian", package: "linux-image-cloud-amd64" },
};

const names = (cell: InitramfsCell) => cell.modules.map(({ name }) => name);

describe("the variables of an appliance", () => {
  it("change nothing if they are empty, missing, or say what is declared", () => {
    const env = {
      ...{ BUILDMODE: "debug", TARGETARCH: "amd64", KERNEL_VERSION: "lts", ALPINE_VERSION: "3.24" },
      ...{ INCLUDE_MODULES: "minimal", CACHE_DOWNLOADS: "true", VERIFY_CHECKSUMS: "" },
    };
    expect(Object.keys(env)).toEqual(expect.arrayContaining([...INITRAMFS_VARIABLES]));
    expect(initramfsOverrides(declared, env)).toEqual({ cell: declared, overrides: [] });
    expect(initramfsOverrides(declared, { PATH: "/bin" })).toEqual({ cell: declared, overrides: [] });
  });

  it("change the cell, and are listed, sorted", () => {
    const { cell, overrides } = initramfsOverrides(declared, {
      ...{ KERNEL_VERSION: "edge", ALPINE_VERSION: "3.23", INCLUDE_MODULES: "standard" },
      ...{ CACHE_DOWNLOADS: "false", VERIFY_CHECKSUMS: "false" },
    });
    expect(overrides).toEqual([
      "ALPINE_VERSION=3.23",
      "CACHE_DOWNLOADS=false",
      "INCLUDE_MODULES=standard",
      "KERNEL_VERSION=edge",
      "VERIFY_CHECKSUMS=false",
    ]);
    expect(cell).toMatchObject({ version: "3.23", sources: sources("3.23") });
    expect(cell).toMatchObject({ cache_downloads: false, verify_checksums: false, module_set: "standard" });
    expect(cell.kernel).toEqual({
      ...{ flavor: "alpine", version: "edge", package: "linux-stable", sources: sources("3.23") },
    });
    expect(InitramfsCell.parse(cell)).toEqual(cell);
  });

  it("choose a set without the modules of larger ones, and keep those that the declaration adds", () => {
    const full = initramfsOverrides(declared, { INCLUDE_MODULES: "full" }).cell;
    expect(names(full)).toEqual(expect.arrayContaining([...names(declared), "r8169", "mlx5_core"]));
    expect(names(full).filter((name) => name === "wireguard")).toHaveLength(1);
    expect(full.modules.at(-1)).toMatchObject({ name: "wireguard", set: "declared" });
    expect(initramfsOverrides(full, { INCLUDE_MODULES: "minimal" }).cell.modules).toEqual(declared.modules);
  });

  it("leave a kernel of another distribution alone when they choose Alpine's release", () => {
    const { cell } = initramfsOverrides(
      { ...declared, kernel: onDebian.kernel },
      { ALPINE_VERSION: "3.23", KERNEL_VERSION: "6.12.117-1" },
    );
    expect(cell.kernel).toEqual({ ...onDebian.kernel, version: "6.12.117-1" });
  });

  it.each([
    ["BUILDMODE", "fast", 'BUILDMODE: "fast" is not one of: debug, release'],
    ["TARGETARCH", "riscv64", 'TARGETARCH: "riscv64" is not one of: amd64, arm64'],
    ["TARGETARCH", "arm64", "TARGETARCH=arm64: initramfs-zos-amd64 is for amd64"],
    [
      "KERNEL_VERSION",
      "newest",
      'KERNEL_VERSION: "newest" is not lts, edge, or a version of alpine\'s package',
    ],
    ["KERNEL_VERSION", "6.12.117-1", "such as 6.18.30-r0"],
    ["KERNEL_VERSION", "6.18.30-r0; rm -rf /", "is not lts, edge"],
    [
      "ALPINE_VERSION",
      "3.19",
      "ALPINE_VERSION=3.19: initramfs-zos-amd64 has no root file system of it; one of: 3.24, 3.23",
    ],
    ["INCLUDE_MODULES", "all", 'INCLUDE_MODULES: "all" is not one of: minimal, standard, full'],
    ["CACHE_DOWNLOADS", "yes", 'CACHE_DOWNLOADS: "yes" is not one of: true, false'],
    ["VERIFY_CHECKSUMS", "0", 'VERIFY_CHECKSUMS: "0" is not one of: true, false'],
  ])("refuse %s=%s", (name, value, message) => {
    expect(() => initramfsOverrides(declared, { [name]: value })).toThrow(PipelineError);
    expect(() => initramfsOverrides(declared, { [name]: value })).toThrow(message);
  });

  it("refuse Alpine's release for another userland", () => {
    expect(() => initramfsOverrides(onDebian, { ALPINE_VERSION: "3.24" })).toThrow(
      "ALPINE_VERSION=3.24: the userland of initramfs-zos-amd64 is debian",
    );
  });
});

describe("release mode", () => {
  const unpinned = { ...declared, programs: [{ ...zinit, sha256: null }] };
  const newest = {
    ...declared,
    programs: [
      {
        ...zinit,
        version: "newest",
        url: "https://github.com/threefoldtech/zinit/releases/latest/download/zinit-linux-x86_64",
        sha256: null,
      },
    ],
  };

  it("is an override of debug mode, and the other way round", () => {
    expect(initramfsOverrides(declared, { BUILDMODE: "release" })).toEqual({
      ...{ cell: { ...declared, mode: "release" }, overrides: ["BUILDMODE=release"] },
    });
    expect(initramfsOverrides({ ...declared, mode: "release" }, { BUILDMODE: "debug" })).toEqual({
      ...{ cell: declared, overrides: ["BUILDMODE=debug"] },
    });
  });

  it.each([
    [unpinned, {}, "/sbin/zinit v0.2.28 has no known sha256"],
    [newest, {}, "/sbin/zinit is the newest of the day, and not pinned"],
    [declared, { KERNEL_VERSION: "edge" }, "the kernel edge is another one every week"],
    [declared, { VERIFY_CHECKSUMS: "false" }, "checksums are not verified (VERIFY_CHECKSUMS=false)"],
  ])("refuses what is not pinned, declared or by a variable", (cell, env, message) => {
    const released = { ...env, BUILDMODE: "release" };
    expect(() => initramfsOverrides(cell, released)).toThrow(PipelineError);
    expect(() => initramfsOverrides(cell, released)).toThrow(message);
    expect(() => initramfsOverrides({ ...cell, mode: "release" }, env)).toThrow(message);
    expect(initramfsOverrides(cell, env).cell.mode).toBe("debug");
  });

  it("is not needed for them: debug mode takes them, and says so", () => {
    expect(initramfsOverrides(unpinned, {}).overrides).toEqual([
      "program=/sbin/zinit v0.2.28: no known sha256",
    ]);
    expect(initramfsOverrides(newest, {}).overrides).toEqual(["program=/sbin/zinit newest: no known sha256"]);
  });
});

it("a staged appliance with other variables than now was made with other options", () => {
  const facts = (overrides: readonly string[]) => {
    const common = { arch: "amd64", sha256: HASH, size: 1, image_sha256: HASH, image_size: 1 };
    return Facts.parse({
      ...{ schema_version: 1, id: declared.id, asset: declared.assets[0], ...common, overrides },
      ...{ inputs: inputsWith(declared, overrides), source: "alpine", kind: "initramfs", name: "zos" },
      sbom: { asset: "initramfs-zos-amd64.cdx.json", sha256: HASH, size: 1, components: {} },
      ...{ flavor: "alpine", mode: "debug", kernel: { package: "linux-lts", version: "1", release: "1" } },
      ...{ modules: [], programs: [], packages: [], content_size: 1 },
      boot: [
        {
          ...{ vmm: "qemu", accel: "tcg", machine: "pci", started: "initrd", firmware: null },
          ...{ init_uptime_s: 1, program_uptime_s: 2, memory_mib: 2048, used_mib: 200 },
          ...{ modules: [], services: [] },
        },
      ],
    });
  };
  const state = (staged: readonly string[], asked: readonly string[]) =>
    freshnessOf({ accepts: ["BUILDMODE=release"] }, declared, facts(staged), asked).state;
  expect(state([], [])).toBe("fresh");
  expect(state(["BUILDMODE=release"], ["BUILDMODE=release"])).toBe("fresh");
  expect(state(["BUILDMODE=release"], [])).toBe("other-options");
  expect(state([], ["INCLUDE_MODULES=full"])).toBe("other-options");
});

it.each([
  ["initramfs-zoss-amd64", 'unknown appliance "zoss"; one of: zos'],
  ["initramfs-zos-arm64", "the appliance zos is not made for arm64; it is for amd64"],
  ["initramfs-zos", 'unknown cell "initramfs-zos": a cell is initramfs-<name>-<arch>'],
])("the id %s is explained", (id, message) => {
  const cells = sampleCells();
  const all = { ...cells, cells: [...cells.cells, declared] };
  expect(selectCells(all, [declared.id])).toEqual([declared]);
  expect(() => selectCells(all, [id])).toThrow(PipelineError);
  expect(() => selectCells(all, [id])).toThrow(message);
});
