import { describe, expect, it } from "vitest";
import type { App } from "../../../pipeline/constructs/app.ts";
import { Flavor } from "../../../pipeline/constructs/flavor.ts";
import { Initramfs, type InitramfsProps } from "../../../pipeline/constructs/initramfs/initramfs.ts";
import type { InitramfsCell } from "../../../pipeline/schema/cells.ts";
import { ofKind } from "../../../pipeline/schema/kinds/index.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { errorsOf, testApp, testRelease, ubuntuBase } from "../../support/tree.ts";

const digest = (digit: string) => `@sha256:${digit.repeat(64)}`;
const alpine = Flavor.alpine({ version: "3.24", image: `alpine:3.24${digest("2")}` });
const older = Flavor.alpine({ version: "3.23", image: `alpine:3.23${digest("4")}` });
const debian = Flavor.debian({ version: "13", suite: "trixie", snapshot: "20261120T000000Z" });
const ubuntu = Flavor.ubuntu({ version: "24.04", image: `u:1${digest("5")}`, snapshot: "20261120T000000Z" });
const RELEASES = "https://github.com/threefoldtech/zinit/releases";
const SHA256 = "a".repeat(64);
const zinit = {
  path: "/sbin/zinit",
  files: {
    amd64: { url: `${RELEASES}/download/v0.2.28/zinit-linux-x86_64`, sha256: SHA256 },
    arm64: { url: `${RELEASES}/download/v0.2.28/zinit-linux-aarch64`, sha256: SHA256 },
  },
};
const amd64Only = { path: "/bin/rfs", files: { amd64: zinit.files.amd64 } };
const PROPS: InitramfsProps = {
  flavor: alpine,
  kernel: { flavor: alpine },
  packages: { eudev: "finds devices" },
  programs: [zinit],
};

/** Own files, because what matters is that they are there. */
const FILES = { "init/initramfs/init": "#!/bin/sh\n", "init/initramfs/debug": "#!/bin/sh\n" };

function tree(props: object = {}, id = "zos", files: Record<string, string | undefined> = {}): App {
  const app = testApp({ ...FILES, ...files });
  const release = testRelease(app, { archs: ["amd64", "arm64"] });
  ubuntuBase(release);
  new Initramfs(release, id, { ...PROPS, ...props } as InitramfsProps);
  return app;
}

const cells = (...args: Parameters<typeof tree>): InitramfsCell[] =>
  ofKind(cellsOf(synth(tree(...args))).cells, "initramfs");

const service = (name: string, props: object) => ({ services: { [name]: { exec: "true", ...props } } });
const program = (props: object) => ({ programs: [{ ...zinit, ...props }] });
const file = (props: object) => program({ files: { amd64: { ...zinit.files.amd64, ...props } } });

describe("an appliance", () => {
  it("is a cell for each arch, never published, in debug mode with the distribution's kernel", () => {
    expect(errorsOf(tree())).toEqual([]);
    const [amd64, arm64] = cells();
    expect(amd64).toMatchObject({
      ...{ id: "initramfs-zos-amd64", arch: "amd64", published: false, mode: "debug", version: "3.24" },
      assets: ["initramfs-zos-amd64.cpio.xz", "vmlinuz-zos-amd64.efi"],
      kernel: { flavor: "alpine", version: "lts", package: "linux-lts" },
      ...{ module_set: "minimal", init: ["/sbin/zinit", "init"], root_mib: 1536, budget: null },
      command_line: "console=tty0 console=ttyS0,115200 net.ifnames=0",
      ...{ verify_checksums: true, cache_downloads: true, other_versions: [] },
      programs: [
        {
          ...{ path: "/sbin/zinit", repository: "threefoldtech/zinit", version: "v0.2.28" },
          ...{ asset: "zinit-linux-x86_64", sha256: SHA256 },
        },
      ],
    });
    expect(arm64).toMatchObject({
      ...{ id: "initramfs-zos-arm64", programs: [{ asset: "zinit-linux-aarch64" }] },
      command_line: "console=tty0 console=ttyAMA0,115200 net.ifnames=0",
    });
    expect(amd64!.inputs).not.toBe(arm64!.inputs);
  });

  it("may have the kernel of another distribution than that of its userland", () => {
    expect(cells({ kernel: { flavor: debian, version: "6.12.117-1" } })).toMatchObject([
      {
        flavor: "alpine",
        kernel: { flavor: "debian", package: "linux-image-cloud-amd64", version: "6.12.117-1" },
      },
      { flavor: "alpine", kernel: { flavor: "debian", package: "linux-image-cloud-arm64" } },
    ]);
    expect(cells({ flavor: debian, kernel: { flavor: alpine, version: "edge" } })[0]).toMatchObject({
      ...{ flavor: "debian", kernel: { flavor: "alpine", package: "linux-stable", version: "edge" } },
    });
  });

  it("has the modules that Debian's cloud kernel lacks as optional ones, and others as needed ones", () => {
    const optional = (cell: InitramfsCell) =>
      cell.modules.filter((module) => module.optional).map(({ name }) => name);
    expect(optional(cells({ modules: "standard", kernel: { flavor: debian } })[0]!)).toEqual(
      expect.arrayContaining(["r8169", "e1000e", "usb-storage"]),
    );
    expect(optional(cells({ modules: "full" })[0]!)).toEqual([]);
  });

  it("has its own modules behind those of its set", () => {
    const [cell] = cells({
      extraModules: [{ name: "wireguard", why: "the network of its nodes", essential: true, optional: true }],
    });
    expect(cell!.modules.at(-1)).toEqual({
      ...{ name: "wireguard", set: "declared", essential: true, optional: true },
    });
  });

  it("may take the newest release, and programs that nobody has a sha256 of, in debug mode", () => {
    const url = `${RELEASES}/latest/download/zinit-linux-x86_64`;
    expect(cells({ ...program({ files: { amd64: { url } } }), archs: ["amd64"] })[0]!.programs).toEqual([
      {
        ...{ path: "/sbin/zinit", repository: "threefoldtech/zinit", version: "newest" },
        ...{ asset: "zinit-linux-x86_64", url, sha256: null },
      },
    ]);
  });

  it("keeps other releases of its distribution, which a variable may choose", () => {
    expect(cells({ otherVersions: [older] })[0]!.other_versions).toEqual([
      { version: "3.23", sources: [{ from: "image", image: `alpine:3.23${digest("4")}` }] },
    ]);
  });

  it("is in release mode if everything is pinned", () => {
    expect(cells({ mode: "release" })[0]).toMatchObject({ mode: "release" });
  });

  it("may have a script of its own as /init, and start another program", () => {
    const [cell] = cells({ init: "our/init", start: ["/sbin/init"], programs: [] }, "zos", {
      "our/init": "#!",
    });
    expect(cell!.files).toEqual(expect.arrayContaining(["our/init"]));
    expect(cell!.files).not.toContain("init/initramfs/init");
    expect(cell!.init).toEqual(["/sbin/init"]);
  });
});

describe("what is refused, by name", () => {
  it.each<[string, object, string]>([
    ["an unknown mode", { mode: "fast" }, 'mode: "fast" is not one of: debug, release'],
    ["an unknown set", { modules: "all" }, 'modules: "all" is not one of: minimal, standard, full'],
    ["an unknown prop", { modul: 1 }, 'unknown prop "modul"'],
    ["no kernel", { kernel: undefined }, "kernel is missing"],
    [
      "a kernel of a distribution without one",
      { kernel: { flavor: ubuntu } },
      "kernel.flavor: no kernel of ubuntu is known; one of: alpine, debian",
    ],
    [
      "a version that Alpine's kernel cannot have",
      { kernel: { flavor: alpine, version: "6.12.117-1" } },
      'kernel.version: "6.12.117-1" is not lts, edge, or a version of alpine\'s package such as 6.18.30-r0',
    ],
    [
      "a version that Debian's kernel cannot have",
      { kernel: { flavor: debian, version: "6.12" } },
      'kernel.version: "6.12" is not lts, edge, or a version of debian\'s package such as 6.12.117-1',
    ],
    [
      "a distribution without a root file system for an arch",
      {
        flavor: Flavor.alpine({ version: "3.24", tarballs: { amd64: { url: "x", sha256: SHA256 } } }),
      },
      "alpine 3.24 has no image or tarball for arm64: declare one",
    ],
    [
      "another release of another distribution",
      { otherVersions: [debian] },
      "otherVersions: debian 13 is not alpine",
    ],
    ["a release twice", { otherVersions: [alpine] }, "otherVersions: alpine 3.24 is declared twice"],
    ["a name that is no package", { packages: { "a=1": "x" } }, 'packages: "a=1" is not a package name'],
    ["a package without its purpose", { packages: { eudev: "" } }, 'packages.eudev: "" is empty'],
    [
      "a name that is no module",
      { extraModules: [{ name: "a.ko", why: "x" }] },
      'extraModules[0].name: "a.ko" is not a name of a kernel module',
    ],
    [
      "a module of the set again",
      { extraModules: [{ name: "btrfs", why: "x" }] },
      "extraModules: btrfs is in the set minimal already",
    ],
    [
      "a module twice",
      {
        extraModules: [
          { name: "nfs", why: "x" },
          { name: "nfs", why: "y" },
        ],
      },
      "extraModules: nfs is listed twice",
    ],
    [
      "a program that an arch does not have",
      { programs: [zinit, amd64Only] },
      "programs: /bin/rfs has no file for arm64: declare its address, or leave arm64 out with `archs`",
    ],
    [
      "an archive, which is no file of a release",
      file({ url: "https://github.com/threefoldtech/seektime/archive/v0.1.tar.gz" }),
      "is not a file of a release on GitHub",
    ],
    [
      "a sha256 that is none",
      file({ sha256: "abc" }),
      'programs[0].files.amd64.sha256: "abc" is not a sha256',
    ],
    [
      "a sha256 of the newest release",
      file({ url: `${RELEASES}/latest/download/zinit` }),
      "programs: /sbin/zinit: the newest release has another sha256 every time",
    ],
    [
      "a path that is no program's",
      program({ path: "/etc/zinit" }),
      "is not a path of a program, such as /sbin/zinit",
    ],
    ["two programs in one place", { programs: [zinit, zinit] }, "programs: /sbin/zinit is listed twice"],
    [
      "no program to start",
      { programs: [] },
      "start: /sbin/zinit is none of the programs: declare it there, or another program to start",
    ],
    [
      "a program to start that is no path",
      { start: ["zinit"] },
      "start: the first word must be the path of a program",
    ],
    [
      "an argument that a shell would read",
      { start: ["/sbin/zinit", "$(id)"] },
      "a shell does not take as it is",
    ],
    ["a script that is not there", { init: "our/init" }, "init: there is no file our/init"],
    ["a script outside of the project", { init: "../init" }, 'init: "../init" is not a path in the project'],
    ["too small a tmpfs", { rootMib: 1 }, "rootMib: 1 is not a whole number of at least 64"],
    ["a command line of two lines", { commandLine: "a\nb" }, "is not one line of ASCII"],
    [
      "an arch that the release does not have",
      { archs: ["riscv64"] },
      'archs[0]: "riscv64" is not one of: amd64, arm64',
    ],
  ])("%s", (_, props, message) => {
    const errors = errorsOf(tree(props)).join("\n");
    expect(errors).toContain(message);
    expect(errors).toContain("test/zos: ");
  });

  it.each<[string, object, string]>([
    ["without a command", { exec: "" }, 'services.dhcp.exec: "" is empty'],
    ["with a command of two lines", { exec: "a\nb" }, "is not a command in one line"],
    ["with an unknown field", { restart: true }, 'unknown prop "services.dhcp.restart"'],
    ["with an unknown log", { log: "file" }, 'services.dhcp.log: "file" is not one of: none, ring, stdout'],
    ["with a directory that is no path", { dir: "srv" }, 'services.dhcp.dir: "srv" is not an absolute path'],
    [
      "with no variable's name",
      { env: { "A B": "x" } },
      'services.dhcp.env: "A B" is not a name of a variable',
    ],
    ["with half a second", { shutdown_timeout: 0.5 }, "services.dhcp.shutdown_timeout"],
    [
      "after a service that there is not",
      { after: ["net"] },
      'services.dhcp.after: unknown service "net"; one of: dhcp',
    ],
    ["after itself", { after: ["dhcp"] }, "services: dhcp waits for dhcp: none of them is ever started"],
  ])("a service %s", (_, props, message) => {
    expect(errorsOf(tree(service("dhcp", props))).join("\n")).toContain(message);
  });

  it("a service with a name that is no file's", () => {
    expect(errorsOf(tree(service("../x", {}))).join("\n")).toContain(
      'services: "../x" is not a name of a service',
    );
  });

  it("services that wait for each other", () => {
    const services = {
      a: { exec: "true", after: ["c"] },
      b: { exec: "true", after: ["a"] },
      c: { exec: "true", after: ["b"] },
      d: { exec: "true", after: ["a"] },
    };
    expect(errorsOf(tree({ services })).join("\n")).toContain(
      "services: a waits for c waits for b waits for a",
    );
  });

  it.each(["a-kernel", "initramfs-x", "vmlinuz", "Zos", "x-amd64"])("the name %s", (id) => {
    expect(errorsOf(tree({}, id)).join("\n")).toContain(`appliance "${id}": a name is lower-case words`);
  });

  it.each<[string, object, string]>([
    [
      "a program without a known sha256",
      file({ sha256: undefined }),
      "/sbin/zinit v0.2.28 has no known sha256",
    ],
    [
      "the newest release of a program",
      file({ url: `${RELEASES}/latest/download/zinit`, sha256: undefined }),
      "/sbin/zinit is the newest of the day, and not pinned",
    ],
    [
      "the kernel of the day",
      { kernel: { flavor: alpine, version: "edge" } },
      "the kernel edge is another one every week",
    ],
  ])("release mode with %s", (_, props, message) => {
    const allowed = { ...props, archs: ["amd64"] };
    expect(errorsOf(tree(allowed))).toEqual([]);
    expect(errorsOf(tree({ ...allowed, mode: "release" })).join("\n")).toContain(
      `mode: release mode is refused: ${message}`,
    );
  });
});
