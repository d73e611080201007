import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { App } from "../../pipeline/constructs/app.ts";
import { BaseRootfs } from "../../pipeline/constructs/base-rootfs.ts";
import { Release } from "../../pipeline/constructs/release.ts";
import * as pins from "../../pipeline/pins.ts";
import { readCells } from "../../pipeline/runtime/read-cells.ts";
import { KernelFacts } from "../../pipeline/schema/facts.ts";
import { type Arch, kernelAsset } from "../../pipeline/schema/names.ts";
import { alpineBase, hasAlpine, serveAlpine } from "../support/alpine.ts";
import { DEBIAN, testKernel } from "../support/kernel.ts";
import { cli, Project } from "../support/project.ts";

const TAG = "kernel-test";
const FLAVORS = ["debian", ...(hasAlpine ? ["alpine"] : [])];

const declare =
  (arch: Arch, source = pins.LINUX_SOURCE) =>
  (app: App) => {
    const release = new Release(app, "kernels", {
      ...{ tag: TAG, repository: "example/images", defaultFlavor: "debian" },
      ...{ archs: [arch], vmms: ["qemu", "firecracker"] as const, newestFile: "2026-10-05T00:00:00Z" },
    });
    const packages = ["iproute2", "openssh-server"];
    new BaseRootfs(release, "base-debian", { flavor: DEBIAN, packages, diskMib: 1024 });
    if (hasAlpine && arch === "amd64") alpineBase(release);
    testKernel(release, arch === "amd64" ? FLAVORS : ["debian"], source);
  };

let mirror: { server: Server; url: string };
beforeAll(async () => {
  if (hasAlpine) mirror = await serveAlpine();
});
afterAll(() => void mirror?.server.close());

/** Runs `cell kernel-<arch>` in a project. */
const cell = (project: Project, arch: Arch, ...args: string[]) =>
  cli(project.root, ["cell", `kernel-${arch}`, ...(hasAlpine ? ["--apk-mirror", mirror.url] : []), ...args]);

function temporary(...args: Parameters<typeof declare>): Project {
  const project = new Project(declare(...args));
  onTestFinished(() => project.remove());
  return project;
}

const factsOf = (project: Project, asset: string) =>
  KernelFacts.parse(
    JSON.parse(readFileSync(join(project.root, "out/release", TAG, `${asset}.json`), "utf8")),
  );

describe("the kernel of amd64", () => {
  let project: Project;
  beforeAll(() => {
    project = new Project(declare("amd64"));
  });
  afterAll(() => project.remove());
  const path = (name: string) => join(project.root, "out/release", TAG, name);

  it("is compiled once, boots every flavor in both formats to an SSH login, and is staged with that", async () => {
    const built = await cell(project, "amd64", "--stage", "build");
    expect(built.exitCode, built.stderr).toBe(0);
    expect(existsSync(path("vmlinux-amd64.elf"))).toBe(false);

    const staged = await cell(project, "amd64", "--stage", "verify");
    expect(staged.exitCode, staged.stderr).toBe(0);
    expect(staged.stdout.split("\n")).toEqual([
      `out/release/${TAG}/vmlinux-amd64.elf`,
      `out/release/${TAG}/vmlinux-amd64.image`,
      "",
    ]);
    for (const [format, machine] of [["elf", "mmio"] as const, ["image", "pci"] as const]) {
      const facts = factsOf(project, kernelAsset("amd64", format));
      expect(facts.boot).toEqual(
        FLAVORS.map((flavor) =>
          expect.objectContaining({
            ...{ machine, started: format },
            rootfs: expect.objectContaining({ id: `base-amd64-${flavor}`, ms: expect.any(Number) }),
          }),
        ),
      );
      expect(facts.packages).toContainEqual({
        type: "deb",
        name: pins.LINUX_SOURCE.package,
        version: facts.source.split(" ")[1],
      });
    }
  });

  it("is an uncompressed ELF file and a bzImage of one build, with the resolved configuration beside them", () => {
    const elf = readFileSync(path("vmlinux-amd64.elf"));
    const image = readFileSync(path("vmlinux-amd64.image"));
    expect(elf.subarray(0, 5).toString("latin1")).toBe("\x7fELF\x02");
    // The boot protocol's magic number: Documentation/arch/x86/boot.rst.
    expect(image.subarray(0x202, 0x206).toString("latin1")).toBe("HdrS");
    const config = readFileSync(path("vmlinux-amd64.config"), "utf8");
    expect(config).toContain("\nCONFIG_PVH=y\n");
    // What /proc/config.gz shows is in the ELF between these marks.
    const start = elf.indexOf("IKCFG_ST") + 8;
    expect(gunzipSync(elf.subarray(start, elf.indexOf("IKCFG_ED", start))).toString()).toBe(config);
  });

  it("is not compiled or booted again for the same inputs", async () => {
    const kept = await cell(project, "amd64");
    expect(kept.stderr).toContain("kernel-amd64: already staged, from the same inputs");
    const elsewhere = temporary("amd64");
    const again = await cell(elsewhere, "amd64");
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stderr).not.toMatch(/compile|boot base/);
    expect(factsOf(elsewhere, "vmlinux-amd64.elf")).toEqual(factsOf(project, "vmlinux-amd64.elf"));
  });
});

it("every line of the configuration that comes to nothing fails the build, by name", async () => {
  const project = temporary("amd64");
  const fragment = join(project.root, "dockerfiles/kernel/amd64.config");
  const line = readFileSync(fragment, "utf8").split("\n").length;
  appendFileSync(fragment, "CONFIG_VIRTIO_BLOCK=y\nCONFIG_XFS_ONLINE_SCRUB=y\n");
  project.synth();
  const failed = await cell(project, "amd64", "--stage", "build");
  expect(failed.stderr).toContain(
    "kernel-amd64: docker build of dockerfiles/kernel.Dockerfile failed for 2 reasons",
  );
  expect(failed.stderr).toContain(
    `- dockerfiles/kernel/amd64.config:${line}: CONFIG_VIRTIO_BLOCK is no symbol of this kernel\n`,
  );
  expect(failed.stderr).toContain(
    `- dockerfiles/kernel/amd64.config:${line + 1}: CONFIG_XFS_ONLINE_SCRUB did not survive: y was asked for, and it is n`,
  );
  expect(failed.exitCode).toBe(2);
});

it("a source package that the archive does not have is named, with those that it has", async () => {
  const project = temporary("amd64", { package: "linux-source-5.99", version: "5.99.1-1" });
  const failed = await cell(project, "amd64", "--stage", "build");
  expect(failed.stderr).toMatch(
    /^error: kernel-amd64: Debian's archive has no package linux-source-5\.99: .*it has linux-source-6\.12\b/m,
  );
  expect(failed.exitCode).toBe(2);
});

describe("a version that the archive no longer has", () => {
  const MEANT = { ...pins.LINUX_SOURCE, version: "6.12.1-1" };

  it("does not stop the build: the newest one is taken", async () => {
    const project = temporary("amd64", MEANT);
    // The build stops after its source was there, before minutes go into compiling it.
    appendFileSync(join(project.root, "dockerfiles/kernel/amd64.config"), "CONFIG_STOP_HERE=y\n");
    project.synth();
    const failed = await cell(project, "amd64", "--stage", "build");
    expect(failed.stderr).toContain("CONFIG_STOP_HERE is no symbol of this kernel");
  });

  it("is said, and what was made is not what was declared", async () => {
    const project = temporary("amd64", MEANT);
    const published = new Project(declare("amd64"));
    const tagOf = ({ root }: Project) => readCells(root).cells[0]!.inputs.slice(0, 12);
    const docker = new Docker();
    // As if it had been compiled from these inputs.
    const image = docker.getImage(`smolvm/kernel-amd64:${tagOf(published)}`);
    await image.tag({ repo: "smolvm/kernel-amd64", tag: tagOf(project) });
    onTestFinished(async () => {
      published.remove();
      await docker.getImage(`smolvm/kernel-amd64:${tagOf(project)}`).remove();
      rmSync(dirname(project.kernel("amd64").kernel), { recursive: true });
    });
    const built = await cell(project, "amd64", "--stage", "build");
    const taken = pins.LINUX_SOURCE.version;
    expect(built.stderr).toContain(
      `warning: Debian's archive no longer has linux-source-6.12 6.12.1-1; kernel-amd64 is built from ${taken}`,
    );
    const [facts] = JSON.parse(
      readFileSync(join(dirname(project.kernel("amd64").kernel), "facts.json"), "utf8"),
    );
    const strict = await cell(project, "amd64", "--stage", "build", "--as-declared");
    expect(strict.stderr).toMatch(/^error: kernel-amd64: not as declared: .*linux-source-6\.12=/m);
    expect(strict.exitCode).toBe(2);
    expect(facts.overrides).toContain(`linux-source-6.12=${taken}`);
    expect(facts.inputs).not.toBe(readCells(project.root).cells[0]!.inputs);
  });
});
