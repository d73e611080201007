import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { App } from "../../pipeline/constructs/app.ts";
import { BaseRootfs } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Initramfs, type InitramfsProps } from "../../pipeline/constructs/initramfs/initramfs.ts";
import type { ApplianceProgram } from "../../pipeline/constructs/initramfs/program.ts";
import type { Service } from "../../pipeline/constructs/initramfs/service.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import { toCpio } from "../../pipeline/image/formats/cpio.ts";
import { InitramfsFacts } from "../../pipeline/schema/facts.ts";
import type { QemuOptions } from "../../pipeline/vm/qemu/arguments.ts";
import { endsWithin } from "../../pipeline/vm/watch.ts";
import { ALPINE_TARBALL, alpineBase, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { serveZinit } from "../support/appliance.ts";
import { DEBIAN, testKernel } from "../support/kernel.ts";
import { startMachine } from "../support/machine.ts";
import { cli, Project } from "../support/project.ts";
import { normalised, type TestEntry, tree } from "../support/tar.ts";

const TAG = "initramfs-test";

/** What the services of each appliance see: its tmpfs, a virtio disk, and a network. */
const SERVICES: Record<string, Service> = {
  root: { exec: "grep -q '^root / tmpfs ' /proc/mounts", oneshot: true },
  disk: { exec: "test -b /dev/vda", oneshot: true, after: ["root"] },
  network: {
    exec: "busybox ifconfig eth0 10.0.2.15 up && busybox ping -c 1 -w 60 10.0.2.2",
    ...{ oneshot: true, after: ["root"] },
  },
  daemon: {
    exec: "sh -c 'echo ready >/run/daemon; exec sleep 100000'",
    ...{ test: "grep -q ready /run/daemon", after: ["network", "disk"] },
  },
};

/** An appliance of each userland, with Debian's cloud kernel. */
const declare =
  (zinit: ApplianceProgram) =>
  (app: App): void => {
    const release = new Release(app, "appliances", {
      ...{ tag: TAG, repository: "example/images", defaultFlavor: "debian" },
      ...{ archs: ["amd64"] as const, vmms: ["qemu"] as const, newestFile: "2026-10-05T00:00:00Z" },
    });
    new BaseRootfs(release, "base-debian", { flavor: DEBIAN, packages: ["openssh-server"], diskMib: 1024 });
    testKernel(release, ["debian"]);
    const common = {
      kernel: { flavor: DEBIAN },
      programs: [zinit],
      services: SERVICES,
      rootMib: 512,
    } satisfies Partial<InitramfsProps>;
    new Initramfs(release, "gnu", {
      ...{ ...common, flavor: DEBIAN, mode: "debug" },
      packages: { busybox: "mdev, and the network of the test", kmod: "modprobe" },
    });
    if (!hasAlpine) return;
    alpineBase(release);
    const flavor = Flavor.alpine({ version: "3.19", tarballs: { amd64: ALPINE_TARBALL } });
    new Initramfs(release, "musl", { ...common, flavor, mode: "release", packages: { e2fsprogs: "disks" } });
  };

let project: Project;
let mirror: { server: Server; url: string } | undefined;
let served: Awaited<ReturnType<typeof serveZinit>>;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-appliance-"));
  served = await serveZinit(join(directory, "served"));
  mirror = hasAlpine ? await serveAlpine() : undefined;
  project = new Project(declare(served.program));
});
afterAll(() => {
  mirror?.server.close();
  served.server.close();
  project.remove();
  rmSync(directory, { recursive: true, force: true });
});

const cell = (id: string, ...args: string[]) =>
  cli(project.root, ["cell", id, "--level", "1", ...(mirror ? ["--apk-mirror", mirror.url] : []), ...args]);
const staged = (name: string) => join(project.root, "out/release", TAG, name);
const factsOf = (asset: string) =>
  InitramfsFacts.parse(JSON.parse(readFileSync(staged(`${asset}.json`), "utf8")));

/** The kernel and the initramfs of each appliance, kept from its build stage. */
const files = (name: string) => ({
  kernel: join(directory, `${name}.vmlinuz`),
  initrd: join(directory, `${name}.cpio.xz`),
});

async function build(name: string): Promise<void> {
  const id = `initramfs-${name}-amd64`;
  const built = await cell(id, "--stage", "build");
  expect(built.exitCode, built.stderr).toBe(0);
  const made = join(project.root, "out/images", id);
  copyFileSync(join(made, "vmlinuz"), files(name).kernel);
  copyFileSync(join(made, `${id}.cpio.xz`), files(name).initrd);
}

/** Boots both assets, and looks at what the facts say. */
async function prove(name: string): Promise<void> {
  const id = `initramfs-${name}-amd64`;
  const assets = [`${id}.cpio.xz`, `vmlinuz-${name}-amd64.efi`];
  const proven = await cell(id, "--stage", "verify");
  expect(proven.exitCode, proven.stderr).toBe(0);
  expect(proven.stdout.trim().split("\n")).toEqual(assets.map((asset) => `out/release/${TAG}/${asset}`));
  for (const [index, started] of ["initrd", "efi"].entries()) {
    const facts = factsOf(assets[index]!);
    expect(facts.sha256).toBe(
      createHash("sha256")
        .update(readFileSync(staged(facts.asset)))
        .digest("hex"),
    );
    expect(facts.boot).toEqual([
      expect.objectContaining({
        ...{ started, services: ["daemon", "disk", "network", "root"] },
        modules: expect.arrayContaining(["virtio_blk", "virtio_net"]),
        firmware: started === "efi" ? expect.stringMatching(/^\S+ [0-9a-f]{12}$/) : null,
      }),
    ]);
    expect(facts.boot[0]!.used_mib).toBeLessThan(400);
    expect(facts.programs).toEqual([expect.objectContaining({ path: "/sbin/zinit", version: "v1" })]);
    expect(facts.modules).toContainEqual(
      expect.objectContaining({ name: "virtio_net", state: "module", essential: true }),
    );
  }
  const log = readFileSync(staged(`${id}.log`), "utf8");
  expect(log).toContain("FROM ${ROOTFS}");
  const kernel = await readSections(staged(assets[1]!));
  expect(kernel).toEqual(expect.arrayContaining([".cmdline", ".initrd", ".linux", ".osrel", ".uname"]));
}

/** The names of the sections of an EFI executable. */
async function readSections(path: string): Promise<string[]> {
  const bytes = readFileSync(path);
  const header = bytes.readUInt32LE(0x3c);
  expect(bytes.toString("latin1", header, header + 4)).toBe("PE\0\0");
  const table = header + 24 + bytes.readUInt16LE(header + 20);
  return Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, index) =>
    bytes.toString("latin1", table + 40 * index, table + 40 * index + 8).replace(/\0+$/, ""),
  );
}

/**
 * Boots the smallest appliance with further files, which the kernel unpacks over the others, and waits for a line on the
 * console. `ends` says whether the machine must power off after that.
 */
async function bootWith(
  more: Readonly<Record<string, string>>,
  expected: RegExp,
  { ends, ...options }: Partial<QemuOptions> & { ends: boolean },
): Promise<string> {
  const { kernel, initrd } = files(hasAlpine ? "musl" : "gnu");
  const path = join(directory, "changed.cpio");
  copyFileSync(initrd, path);
  const entries: TestEntry[] = tree(more).map((entry) => ({ ...entry, mode: 0o755 }));
  const changes = await normalised(join(directory, "spool"), entries, (rootfs) => buffer(toCpio(rootfs)));
  appendFileSync(path, changes);
  const consoleLog = join(directory, "console");
  const machine = await startMachine({
    ...{ arch: "amd64", kernel, initrd: path, memoryMib: 1024, consoleLog, network: false },
    ...{ ...options, cmdline: ["net.ifnames=0", "quiet", ...(options.cmdline ?? [])] },
  });
  try {
    await machine.console.waitFor(expected, AbortSignal.timeout(240_000));
    if (ends) expect(await endsWithin(machine, 60_000)).toBe(true);
    return machine.console.text;
  } finally {
    await machine.destroy();
  }
}
const config = (mode: "debug" | "release", init = "/sbin/zinit init") =>
  `MODE=${mode}\nROOT_MIB=512\nINIT="${init}"\n`;

describe("an appliance that runs from memory", () => {
  it("of GNU userland runs its services on a tmpfs, from its initramfs and from its EFI file", async () => {
    await build("gnu");
    await prove("gnu");
  });

  it.runIf(hasAlpine)(
    "of busybox userland runs its services on a tmpfs, from its initramfs and from its EFI file",
    async () => {
      await build("musl");
      await prove("musl");
    },
  );

  it("has the same bytes when it is built twice", async () => {
    const id = `initramfs-${hasAlpine ? "musl" : "gnu"}-amd64`;
    const twice = await cli(project.root, [
      ...["repro", id],
      ...(mirror ? ["--apk-mirror", mirror.url] : []),
    ]);
    expect(twice.exitCode, twice.stderr).toBe(0);
    expect(JSON.parse(twice.stdout)[0]).toMatchObject({ id, same: true, differences: [] });
  });

  it.runIf(hasAlpine)("has no debug hook in release mode, and the audit refuses one", async () => {
    const paths = spawnSync("sh", ["-c", `xz -dc ${staged("initramfs-musl-amd64.cpio.xz")} | cpio -t`], {
      encoding: "utf8",
    }).stdout.split("\n");
    expect(paths).toContain("etc/initramfs/config");
    expect(paths).not.toContain("etc/initramfs/debug");
    const dockerfile = join(project.root, "dockerfiles/initramfs/musl/Dockerfile");
    const text = readFileSync(dockerfile, "utf8");
    writeFileSync(dockerfile, text.replace('[ "$BUILDMODE" = debug ] || rm', "[ yes ] || rm"));
    const refused = await cell("initramfs-musl-amd64", "--stage", "build", "--no-cache");
    writeFileSync(dockerfile, text);
    expect(refused.stderr).toContain("- etc/initramfs/debug is for debug mode only [debug-hook]");
    expect(refused.exitCode).toBe(2);
  });

  it("powers off in release mode when the tmpfs has too little memory", async () => {
    const text = await bootWith(
      { "etc/initramfs/config": config("release") },
      /INITRAMFS_ERR too little memory: the tmpfs takes up to 4096 MiB, but only \d+ MiB are free/,
      { ends: true, cmdline: ["root_mib=4096"] },
    );
    expect(text).not.toMatch(/SMOLVM_TS|rescue/);
  });

  it("powers off in release mode when the init program is missing", async () => {
    await bootWith(
      { "etc/initramfs/config": config("release", "/sbin/other init") },
      /INITRAMFS_ERR missing in the image: \/sbin\/other, the init program/,
      { ends: true },
    );
  });

  it("starts a rescue shell in debug mode when a module does not load", async () => {
    await bootWith(
      { "etc/initramfs/config": config("debug"), "etc/initramfs/modules": "virtio_pci\nnot_a_driver\n" },
      /INITRAMFS_ERR the module not_a_driver does not load: [^\n]+\n[^\n]*rescue shell/,
      { ends: false },
    );
  });

  const hook = readFileSync(join(import.meta.dirname, "../../init/initramfs/debug"), "utf8");
  const debugging = { "etc/initramfs/config": config("debug"), "etc/initramfs/debug": hook };
  /** A service that a debug file brings. */
  const INJECTED = "exec: echo injected service\noneshot: true\n";

  it("injects debug files from a device", async () => {
    const from = join(directory, "inject");
    mkdirSync(join(from, "etc/zinit"), { recursive: true });
    writeFileSync(join(from, "etc/zinit/injected.yaml"), INJECTED);
    const disk = join(directory, "inject.ext4");
    const made = spawnSync("/sbin/mke2fs", ["-q", "-t", "ext4", "-d", from, disk, "16M"], {
      encoding: "utf8",
    });
    expect(made.status, made.stderr).toBe(0);
    const text = await bootWith(debugging, /zinit \(stand-in\): injected is Success/, {
      ...{ ends: false, dataDisk: disk, cmdline: ["inject=/dev/vda"] },
    });
    expect(text).toContain("initramfs: injected /etc/zinit/injected.yaml");
  });

  it("injects debug files from an address, and names one that has none", async () => {
    const archive = join(directory, "served/files.tar");
    spawnSync("tar", ["-cf", archive, "-C", join(directory, "inject"), "etc"]);
    expect(existsSync(archive)).toBe(true);
    const at = served.url.replace("127.0.0.1", "10.0.2.2");
    const network = { network: true, internet: true } as const;
    const text = await bootWith(debugging, /zinit \(stand-in\): injected is Success/, {
      ...{ ends: false, ...network, cmdline: [`inject=${at}/files.tar`] },
    });
    expect(text).toContain("initramfs: injected /etc/zinit/injected.yaml");
    await bootWith(debugging, /INITRAMFS_ERR inject=\S+\/none\.tar: cannot be fetched: .*404/, {
      ...{ ends: false, ...network, cmdline: [`inject=${at}/none.tar`] },
    });
  });
});
