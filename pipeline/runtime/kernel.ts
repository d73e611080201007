import { existsSync } from "node:fs";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { buildKernel, sourceVersion } from "../image/kernel.ts";
import type { LicensedPackage } from "../image/rootfs/packages.ts";
import { sbom } from "../image/rootfs/sbom.ts";
import { APT_LIVE, inputsWith } from "../plan/freshness.ts";
import type { KernelCell } from "../schema/cells.ts";
import { KernelFacts, type Package } from "../schema/facts.ts";
import { type Arch, KERNEL_FORMATS, kernelAsset } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { sha256File } from "../util/hash.ts";
import { readRecord } from "../util/record.ts";
import { notBuilt, type Workshop } from "./workshop.ts";

/** What is known of a kernel before it is booted: the facts of each of its assets. */
const BuiltFacts = z.array(KernelFacts.omit({ boot: true, sbom: true })).length(KERNEL_FORMATS.length);
export type BuiltFacts = z.infer<typeof BuiltFacts>;

/** A kernel in the cache: a directory with `elf`, `image`, `config`, `probe.cpio`. */
export interface BuiltKernel {
  readonly directory: string;
  readonly facts: BuiltFacts;
}

const FACTS = "facts.json";

/** @throws PipelineError when the tree declares no kernel for `arch` */
export function kernelOf(workshop: Workshop, arch: Arch): KernelCell {
  const cell = workshop.cells.cells.find((each) => each.kind === "kernel" && each.arch === arch);
  if (cell?.kind === "kernel") return cell;
  throw new PipelineError(
    `there is no kernel for ${arch} to boot with: declare a Kernel in pipeline/images.ts, or give --kernel PATH`,
  );
}

/** Where kernels are kept by their inputs, so that none is compiled twice: also what Actions caches. */
export const kernelDirectory = ({ cache }: Pick<Workshop, "cache">, cell: KernelCell) =>
  join(cache, "kernels", `${cell.id}-${cell.inputs.slice(0, 12)}`);

/** The kernel of these inputs: the one in the cache, or a new one. @throws PipelineError */
export async function ensureKernel(
  workshop: Workshop,
  cell: KernelCell,
  noCache = false,
): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  const known = noCache ? undefined : await readRecord(join(directory, FACTS), BuiltFacts);
  if (known) return { directory, facts: known };

  // It appears in the cache as a whole.
  const partial = `${directory}.${process.pid}.partial`;
  try {
    const facts = await compileKernel(workshop, cell, partial, noCache);
    await writeFile(join(partial, FACTS), JSON.stringify(facts));
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
    return { directory, facts };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** The kernel that images of `arch` are booted with, as QEMU starts it. */
export async function bootImage(workshop: Workshop, arch: Arch): Promise<string> {
  return join((await ensureKernel(workshop, kernelOf(workshop, arch))).directory, "image");
}

/** Compiles a kernel into `directory`, and says what came of it. */
export async function compileKernel(
  workshop: Workshop,
  cell: KernelCell,
  directory: string,
  noCache: boolean,
): Promise<BuiltFacts> {
  const { docker, options, run, epoch, cache, arch } = workshop;
  await mkdir(directory, { recursive: true });
  const packages = await buildKernel(
    docker,
    cell,
    directory,
    {
      ...{ root: options.root, network: options.network, noCache },
      ...{ dockerArch: arch, sourceDateEpoch: epoch, cache: join(cache, "rootfs") },
    },
    run,
  );
  const { package: name, version: meant } = cell.source;
  const version = sourceVersion(cell, packages);
  const overrides = [
    ...(existsSync(join(directory, "live")) ? [APT_LIVE] : []),
    ...(version === meant ? [] : [`${name}=${version}`]),
  ];
  if (version !== meant) {
    run.progress.warn(`Debian's archive has no ${name} ${meant} now; ${cell.id} is made from ${version}`);
  }
  return await Promise.all(
    KERNEL_FORMATS.map(async (format) => {
      const path = join(directory, format);
      const [sha256, { size }] = await Promise.all([sha256File(path, run.signal), stat(path)]);
      return {
        schema_version: 1 as const,
        id: cell.id,
        kind: "kernel" as const,
        arch: cell.arch,
        asset: kernelAsset(cell.arch, format),
        format,
        sha256,
        size,
        image_sha256: sha256,
        image_size: size,
        inputs: inputsWith(cell, overrides),
        overrides,
        source: `${name} ${version}`,
        packages,
      };
    }),
  );
}

/** What a kernel was made with: its source and its toolchain, which are Debian's. */
export const kernelSbom = (cell: KernelCell, packages: readonly Package[]): string =>
  sbom(
    { name: cell.id, type: "kernel", arch: cell.arch, distribution: { id: "debian", version: "" } },
    licensed(packages),
  );

const licensed = (packages: readonly Package[]): LicensedPackage[] =>
  packages.map((each) => ({ ...each, license: undefined }));

/** The kernel that an earlier build stage left. @throws PipelineError where there is none */
export async function builtKernel(workshop: Workshop, cell: KernelCell): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  const facts = await readRecord(join(directory, FACTS), BuiltFacts);
  if (facts) return { directory, facts };
  throw notBuilt(cell);
}
