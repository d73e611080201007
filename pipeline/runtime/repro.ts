import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x } from "tinyexec";
import { copyOut } from "../image/docker/container-image.ts";
import { onPath } from "../image/docker/engine.ts";
import { differences, type Fingerprints, fingerprints } from "../image/rootfs/fingerprint.ts";
import { baseOf } from "../plan/cells.ts";
import type { BaseCell, Cell, KernelCell, PresetCell } from "../schema/cells.ts";
import { KERNEL_FORMATS } from "../schema/names.ts";
import { sha256File } from "../util/hash.ts";
import { ensureBase } from "./base.ts";
import { containerImage } from "./build-stage.ts";
import { compileKernel, ensureKernel, kernelDirectory } from "./kernel.ts";
import { IMAGE, makeRootfs } from "./rootfs-image.ts";
import { inWorkDirectory, type Workshop } from "./workshop.ts";

/** What two builds of a cell from the same inputs made, file by file. */
export interface Reproduction {
  readonly id: string;
  readonly inputs: string;
  readonly same: boolean;
  /** The sha256 of each file, as each of the builds made it. */
  readonly files: Readonly<Record<string, readonly [string, string]>>;
  /** What differs inside, path by path; and what diffoscope says of the first of them, where it is installed. */
  readonly differences: readonly string[];
  readonly diffoscope?: string;
}

/** Builds a cell twice, from nothing but what was downloaded, and compares. @throws PipelineError */
export const reproduce = (workshop: Workshop, cell: Cell): Promise<Reproduction> =>
  cell.kind === "kernel" ? reproduceKernel(workshop, cell) : reproduceImage(workshop, cell);

/** A kernel that is there is the first of the two. */
async function reproduceKernel(workshop: Workshop, cell: KernelCell): Promise<Reproduction> {
  const first = await ensureKernel(workshop, cell);
  const second = `${kernelDirectory(workshop, cell)}.${process.pid}.again`;
  try {
    await compileKernel(workshop, cell, second, true);
    const files: Record<string, [string, string]> = {};
    for (const name of [...KERNEL_FORMATS, "config", "probe.cpio"]) {
      files[name] = [await sha256File(join(first.directory, name)), await sha256File(join(second, name))];
    }
    return compared(cell, files, []);
  } finally {
    await rm(second, { recursive: true, force: true });
  }
}

interface Built {
  /** The container image. */
  readonly image: string;
  readonly sha256: string;
  readonly paths: Fingerprints;
}

async function reproduceImage(workshop: Workshop, cell: BaseCell | PresetCell): Promise<Reproduction> {
  const first = await buildAnew(workshop, cell);
  // The second build takes the name of the first.
  const kept = `smolvm/repro:${process.pid}`;
  await workshop.docker.getImage(first.image).tag({ repo: "smolvm/repro", tag: String(process.pid) });
  try {
    const second = await buildAnew(workshop, cell);
    const inside = differences(first.paths, second.paths);
    const result = compared(cell, { [IMAGE]: [first.sha256, second.sha256] }, inside);
    const path = [...first.paths.keys()].find((each) => inside[0]?.startsWith(`${each}: `));
    if (path === undefined || !onPath("diffoscope")) return result;
    return { ...result, diffoscope: await diffoscope(workshop, path, kept, second.image) };
  } finally {
    await workshop.docker.getImage(kept).remove();
  }
}

/** A base below a preset is built anew as well. */
async function buildAnew(shared: Workshop, cell: BaseCell | PresetCell): Promise<Built> {
  const workshop = { ...shared, options: { ...shared.options, noCache: true }, bases: new Map() };
  const base = await ensureBase(workshop, cell.kind === "base" ? cell : baseOf(workshop.cells, cell));
  const image = await containerImage(workshop, cell, base);
  return await inWorkDirectory(workshop, cell, async (directory) => {
    let paths: Fingerprints = new Map();
    await makeRootfs(workshop, cell, base, image, directory, async (rootfs) => {
      paths = await fingerprints(rootfs);
    });
    return { image, paths, sha256: await sha256File(join(directory, IMAGE), workshop.run.signal) };
  });
}

function compared(
  { id, inputs }: Cell,
  files: Record<string, readonly [string, string]>,
  inside: readonly string[],
): Reproduction {
  const same = Object.values(files).every(([first, second]) => first === second);
  return { id, inputs, same, files, differences: inside };
}

async function diffoscope({ docker }: Workshop, path: string, ...images: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "smolvm-repro-"));
  try {
    const files: string[] = [];
    for (const [index, image] of images.entries()) {
      const into = await mkdtemp(join(directory, `${index + 1}-`));
      await copyOut(docker, image, `/${path}`, into);
      files.push(join(into, path.split("/").at(-1)!));
    }
    return (await x("diffoscope", ["--text", "-", ...files])).stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
