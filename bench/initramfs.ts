/**
 * Builds and boots an appliance of Debian with two module sets: `npm run bench -- initramfs`. Prints times, sizes and memory as
 * a Markdown table, beside the figures of the build that it replaces. A stand-in takes the place of zinit, which is some MB
 * larger. Needs Docker and QEMU, and takes minutes.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BaseRootfs } from "../pipeline/constructs/base-rootfs.ts";
import { Initramfs } from "../pipeline/constructs/initramfs/initramfs.ts";
import { Release } from "../pipeline/constructs/release.ts";
import { InitramfsFacts } from "../pipeline/schema/facts.ts";
import { hostArch } from "../pipeline/vm/accel.ts";
import { serveZinit } from "../test/support/appliance.ts";
import { DEBIAN, testKernel } from "../test/support/kernel.ts";
import { command, Project, REPOSITORY } from "../test/support/project.ts";

const TAG = "bench";
const SETS = ["minimal", "standard"] as const;
/** The build from source that appliances replace. */
const BEFORE = "| from source (Ubuntu 18.04, 60 packages) | 60 min | - | about 150 MB | - | about 250 MB |";

/** Runs a command of the pipeline. Returns how long it took, seconds. */
async function timed(root: string, set: string, ...args: string[]): Promise<number> {
  const started = performance.now();
  const program = [process.execPath, "--import", "tsx", join(REPOSITORY, "pipeline/cli/pipeline/main.ts")];
  const { exitCode, stderr } = await command([...program, "cell", `initramfs-bench-${hostArch()}`, ...args], {
    ...{ root, env: { INCLUDE_MODULES: set } },
  });
  if (exitCode !== 0) throw new Error(stderr);
  return (performance.now() - started) / 1000;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (time: number) => `${time.toFixed(0)} s`;

async function main(): Promise<void> {
  const arch = hostArch();
  const directory = mkdtempSync(join(tmpdir(), "smolvm-bench-"));
  const zinit = await serveZinit(directory);
  const project = new Project((app) => {
    const release = new Release(app, "bench", {
      ...{ tag: TAG, repository: "example/images", defaultFlavor: "debian", archs: [arch] },
      ...{ vmms: ["qemu"], newestFile: "2026-10-05T00:00:00Z" },
    });
    new BaseRootfs(release, "base-debian", { flavor: DEBIAN, packages: ["openssh-server"], diskMib: 1024 });
    testKernel(release, ["debian"]);
    new Initramfs(release, "bench", {
      flavor: DEBIAN,
      kernel: { flavor: DEBIAN },
      packages: {
        ...{ busybox: "finds devices", iproute2: "the network", kmod: "loads modules" },
        ...{ "openssh-server": "SSH", udhcpc: "the DHCP client" },
      },
      programs: [{ ...zinit.program, files: { [arch]: zinit.program.files.amd64 } }],
      services: { keys: { exec: "ssh-keygen -A", oneshot: true } },
    });
  });
  const rows: string[] = [];
  try {
    // The tool containers are made once for all images.
    await timed(project.root, SETS[0], "--stage", "build", "--level", "1");
    for (const set of SETS) {
      const fromNothing = await timed(project.root, set, "--stage", "build", "--no-cache");
      const cached = await timed(project.root, set, "--stage", "build");
      await timed(project.root, set, "--stage", "verify");
      const [cpio, efi] = [`initramfs-bench-${arch}.cpio.xz`, `vmlinuz-bench-${arch}.efi`].map((asset) => {
        const path = join(project.root, "out/release", TAG, `${asset}.json`);
        return InitramfsFacts.parse(JSON.parse(readFileSync(path, "utf8")));
      }) as [InitramfsFacts, InitramfsFacts];
      const used = Math.max(cpio.boot[0]!.used_mib, efi.boot[0]!.used_mib);
      rows.push(
        `| \`${set}\`, Debian | ${seconds(fromNothing)} | ${seconds(cached)} | ${megabytes(cpio.size)} | ` +
          `${megabytes(efi.size)} | ${used} MiB |`,
      );
    }
  } finally {
    zinit.server.close();
    project.remove();
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(
    [
      "| appliance | build from nothing | with caches | cpio | EFI file | memory after boot |",
      "|---|---|---|---|---|---|",
      ...[BEFORE, ...rows],
    ].join("\n"),
  );
}

await main();
