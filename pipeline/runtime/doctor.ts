import { existsSync } from "node:fs";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { satisfies } from "semver";
import { x } from "tinyexec";
import { runsPrograms } from "../image/docker/emulation.ts";
import { connect, hasImage, onPath } from "../image/docker/engine.ts";
import { dockerArch, toolsImage } from "../image/docker/tools-image.ts";
import { ofKind } from "../schema/kinds/index.ts";
import { ARCHS, type Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { unwatched } from "../util/progress.ts";
import { EMULATORS, hostArch, vcpuFailure } from "../vm/accel.ts";
import { probeKernel } from "../vm/proof/probe.ts";
import { hasFirmware } from "../vm/qemu/firmware.ts";
import { EMULATION_FIX } from "./archs.ts";
import { kernelDirectory } from "./kinds/kernel/cache.ts";
import { readCells } from "./read-cells.ts";

/** The result of one check. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  /** What was found, such as a version or an error. */
  readonly found: string;
  /** What to do about it. */
  readonly fix?: string;
}

interface Surroundings {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether GITHUB_TOKEN was set. */
  readonly hasToken: boolean;
}

export interface Check {
  readonly title: string;
  check(surroundings: Surroundings): Promise<Finding>;
}

const SETUP = "bash scripts/setup.sh";
const NODE_RANGE = ">=20.19";
/** Disk space for the largest cell, bytes: the spooled tar, the image, the asset, and Docker's layers. */
const DISK_NEEDED = 12e9;

const ok = (found: string): Finding => ({ level: "ok", found });

/** The checks of `doctor`. If several fail, fix the first one first. */
export const CHECKS: readonly Check[] = [
  {
    title: "Node.js",
    check: async () =>
      satisfies(process.versions.node, NODE_RANGE)
        ? ok(process.versions.node)
        : { level: "fail", found: process.versions.node, fix: `install Node.js ${NODE_RANGE}` },
  },
  { title: "Docker Engine", check: docker },
  { title: "tool container (mke2fs, zstd)", check: tools },
  { title: "containers of the other arch", check: otherArch },
  { title: "QEMU", check: qemu },
  { title: "KVM", check: kvm },
  {
    title: "mmdebstrap",
    check: async () =>
      onPath("mmdebstrap")
        ? ok("installed")
        : { level: "warn", found: "missing: the debian flavor cannot be built", fix: SETUP },
  },
  {
    title: "UEFI firmware",
    check: async () =>
      hasFirmware(hostArch())
        ? ok("installed")
        : { level: "warn", found: "missing: the EFI file of an appliance cannot be booted", fix: SETUP },
  },
  { title: "disk space", check: disk },
  {
    title: "GitHub token",
    check: async ({ hasToken }) =>
      hasToken
        ? ok("GITHUB_TOKEN is set")
        : {
            level: "warn",
            found: "none",
            fix: "nothing to fix, unless you publish: only publishing needs GITHUB_TOKEN",
          },
  },
];

async function docker(): Promise<Finding> {
  try {
    const engine = await connect();
    const { Version } = await engine.version();
    return ok(`${Version} on ${await dockerArch(engine)}`);
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof PipelineError || "statusCode" in error)) throw error;
    if (!(error instanceof PipelineError)) return { level: "fail", found: error.message };
    const { problem: found, fix } = error;
    return { level: "fail", found, ...(fix ? { fix } : {}) };
  }
}

async function tools({ root }: Surroundings): Promise<Finding> {
  try {
    const image = toolsImage(readCells(root).tools);
    return (await hasImage(await connect(), image))
      ? ok(image)
      : { level: "ok", found: "not built yet: the first cell builds it, in about one minute" };
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof PipelineError || "statusCode" in error)) throw error;
    return { level: "fail", found: "cannot be checked without Docker", fix: "fix Docker first" };
  }
}

async function otherArch(): Promise<Finding> {
  try {
    const engine = await connect();
    const native = await dockerArch(engine);
    const [other] = ARCHS.filter((arch) => arch !== native) as [Arch];
    return (await runsPrograms(engine, other))
      ? ok(`Docker runs ${other} programs: ${other} images can be built here too, slowly`)
      : {
          level: "warn",
          found: `${other} images cannot be built here, only on ${other}`,
          fix: EMULATION_FIX,
        };
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof PipelineError || "statusCode" in error)) throw error;
    return { level: "warn", found: "cannot be checked without Docker", fix: "fix Docker first" };
  }
}

async function qemu(): Promise<Finding> {
  const { program } = EMULATORS[hostArch()];
  if (!onPath(program)) return { level: "fail", found: `${program} is missing`, fix: SETUP };
  const { stdout } = await x(program, ["--version"]);
  return ok(stdout.split("\n")[0] ?? program);
}

const EMULATED = "nothing to fix: QEMU emulates guests, so a boot takes some seconds longer";

/** Only a guest that ran proves that KVM works, so this boots the kernel's probe, if a kernel has been compiled. */
async function kvm({ root }: Surroundings): Promise<Finding> {
  const { program } = EMULATORS[hostArch()];
  if (!onPath(program)) return { level: "warn", found: "cannot be checked without QEMU", fix: SETUP };
  const failure = await vcpuFailure();
  if (failure) return { level: "warn", found: `does not work (${failure})`, fix: EMULATED };
  const kernel = kernelAtHand(root);
  if (!kernel) return ok("QEMU can make a virtual CPU; the first boot shows whether it runs a guest");
  const directory = await mkdtemp(join(tmpdir(), "smolvm-doctor-"));
  try {
    const consoleLog = join(directory, "console.log");
    const options = { ...kernel, arch: hostArch(), bus: "pci", accel: "kvm", consoleLog } as const;
    const { init_uptime_s: uptime } = await probeKernel(options, unwatched());
    return ok(`works: the compiled kernel started its PID 1 after ${uptime.toFixed(2)} s`);
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return { level: "warn", found: `does not run a guest (${error.problem})`, fix: EMULATED };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The compiled kernel of the host's arch, and its probe; undefined if it has not been compiled. */
function kernelAtHand(root: string): { kernel: string; initrd: string } | undefined {
  try {
    const cell = ofKind(readCells(root).cells, "kernel").find(({ arch }) => arch === hostArch());
    if (!cell) return undefined;
    const directory = kernelDirectory({ cache: join(root, "out/cache") }, cell);
    const [kernel, initrd] = [join(directory, "image"), join(directory, "probe.cpio")] as const;
    return existsSync(kernel) && existsSync(initrd) ? { kernel, initrd } : undefined;
  } catch (error) {
    if (error instanceof PipelineError) return undefined;
    throw error;
  }
}

async function disk({ root }: Surroundings): Promise<Finding> {
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  const found = `${(free / 1e9).toFixed(0)} GB free`;
  return free >= DISK_NEEDED
    ? ok(found)
    : {
        level: "fail",
        found,
        fix: `free some space: a cell needs ${DISK_NEEDED / 1e9} GB; out/ and unused Docker images can be removed`,
      };
}
