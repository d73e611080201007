import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { buildKernel } from "../../../image/kernel.ts";
import { APT_LIVE, inputsWith } from "../../../plan/freshness.ts";
import type { KernelCell } from "../../../schema/cells.ts";
import type { KernelFacts } from "../../../schema/facts.ts";
import { KERNEL_FORMATS, kernelAsset } from "../../../schema/names.ts";
import { sha256File } from "../../../util/hash.ts";
import type { Workshop } from "../../workshop.ts";

/** The facts of one format of a kernel before it is booted. */
type CompiledFacts = Omit<KernelFacts, "boot" | "sbom">;

/** Compiles a kernel into `directory`. Returns the facts of each of its formats. */
export async function compileKernel(
  workshop: Workshop,
  cell: KernelCell,
  directory: string,
  noCache: boolean,
): Promise<CompiledFacts[]> {
  const { docker, options, run, epoch, cache, arch } = workshop;
  await mkdir(directory, { recursive: true });
  const { packages, version } = await buildKernel(
    docker,
    cell,
    directory,
    {
      ...{ root: options.root, network: options.network, noCache },
      ...{ dockerArch: arch, sourceDateEpoch: epoch, cache: join(cache, "rootfs") },
    },
    run,
  );
  const { package: name, version: declared } = cell.source;
  const overrides = [
    ...(existsSync(join(directory, "live")) ? [APT_LIVE] : []),
    ...(version === declared ? [] : [`${name}=${version}`]),
  ];
  if (version !== declared) {
    run.progress.warn(
      `Debian's archive no longer has ${name} ${declared}; ${cell.id} is built from ${version}, and its facts record that`,
    );
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
