import { statfs } from "node:fs/promises";
import { satisfies } from "semver";
import { x } from "tinyexec";
import { connect, hasImage, onPath } from "../build/docker.ts";
import { dockerArch, toolsImage } from "../build/tools-image.ts";
import { PipelineError } from "../schema/error.ts";
import { EMULATORS, hostArch, probeAccel } from "../vm/accel.ts";
import { readCells } from "./cells.ts";

export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do about it. */
  readonly fix?: string;
}

interface Surroundings {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Check {
  readonly title: string;
  check(surroundings: Surroundings): Promise<Finding>;
}

const SETUP = "bash scripts/setup.sh";
const NODE_RANGE = ">=20.19";
/** The spooled tar, the image and the asset of the largest cell, and Docker's own layers, bytes. */
const DISK_NEEDED = 12e9;

const ok = (found: string): Finding => ({ level: "ok", found });

/** In the order in which a reader would mend them. */
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
  { title: "QEMU", check: qemu },
  {
    title: "KVM",
    check: async () => {
      const { accel, why } = await probeAccel(hostArch());
      return accel === "kvm"
        ? ok("works")
        : {
            level: "warn",
            found: `emulation, because ${why}`,
            fix: "nothing to mend: a boot takes some seconds more",
          };
    },
  },
  {
    title: "mmdebstrap",
    check: async () =>
      onPath("mmdebstrap")
        ? ok("installed")
        : { level: "warn", found: "missing: the debian flavor cannot be built", fix: SETUP },
  },
  { title: "disk space", check: disk },
  {
    title: "GitHub token",
    check: async ({ env }) =>
      env.GITHUB_TOKEN
        ? ok("GITHUB_TOKEN is set")
        : { level: "warn", found: "none", fix: "nothing to mend: only publishing needs GITHUB_TOKEN" },
  },
];

async function docker(): Promise<Finding> {
  try {
    const engine = await connect();
    const { Version } = await engine.version();
    return ok(`${Version} on ${await dockerArch(engine)}`);
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof PipelineError || "statusCode" in error)) throw error;
    const [found = error.message, fix] = error.message.split(/: (?=start it|install|join|see)/);
    return { level: "fail", found, ...(fix ? { fix } : {}) };
  }
}

async function tools({ root }: Surroundings): Promise<Finding> {
  try {
    const image = toolsImage(readCells(root).tools);
    return (await hasImage(await connect(), image))
      ? ok(image)
      : { level: "ok", found: "not made yet: the first cell makes it, in about a minute" };
  } catch (error) {
    if (!(error instanceof Error) || !(error instanceof PipelineError || "statusCode" in error)) throw error;
    return { level: "fail", found: "cannot be looked for", fix: "mend Docker first" };
  }
}

async function qemu(): Promise<Finding> {
  const { program } = EMULATORS[hostArch()];
  if (!onPath(program)) return { level: "fail", found: `${program} is missing`, fix: SETUP };
  const { stdout } = await x(program, ["--version"]);
  return ok(stdout.split("\n")[0] ?? program);
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
        fix: `a cell needs ${DISK_NEEDED / 1e9} GB: make room, or remove out/ and unused Docker images`,
      };
}
