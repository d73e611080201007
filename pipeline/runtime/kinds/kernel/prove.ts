import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kernelSbom } from "../../../image/kernel-sbom.ts";
import { sbomFacts } from "../../../image/rootfs/sbom.ts";
import { inputsWith } from "../../../plan/freshness.ts";
import type { BaseCell, KernelCell } from "../../../schema/cells.ts";
import type { KernelFacts } from "../../../schema/facts.ts";
import { KERNEL_FORMATS, type KernelFormat } from "../../../schema/names.ts";
import { locate } from "../../../schema/recipes.ts";
import { PipelineError, within } from "../../../util/error.ts";
import { sha256File } from "../../../util/hash.ts";
import { probeKernel } from "../../../vm/proof/probe.ts";
import { verifyBoot } from "../../../vm/proof/verify.ts";
import { type Bus, formatOn } from "../../../vm/qemu/arguments.ts";
import { IMAGE, makeRootfs } from "../../rootfs/image.ts";
import { cellDirectory, inWorkDirectory, type Workshop } from "../../workshop.ts";
import { baseInputs } from "../base/container.ts";
import type { Handover } from "../steps.ts";
import {
  type Boots,
  basesFor,
  buildsBases,
  isBootOf,
  isProven,
  type Proof,
  proofPath,
  readProof,
} from "./boots.ts";
import type { BuiltKernel } from "./cache.ts";

/** The bus that each format is booted with: a kernel image with QEMU's usual one, an ELF kernel with Firecracker's. */
const BUSES: Record<KernelFormat, Bus> = { image: "pci", elf: "mmio" };

/**
 * Boots a kernel in every format with every base of `left`, and stages its assets with their facts.
 * @throws PipelineError if a boot fails
 */
export async function proveKernel(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  { again, left, missed, overrides: ofBoots }: Boots,
  handover: Handover,
): Promise<KernelFacts[]> {
  const known = await readProof(kernel.directory);
  const bases = basesFor(workshop, cell);
  const others = bases.filter((base) => ![...left, ...missed].includes(base));
  const todo = [...left, ...others.filter((base) => !isProven(workshop, known, base))];
  const isDone = known && todo.length === 0 && (buildsBases(workshop, cell) || !again);
  const proof = isDone ? known : await boot(workshop, cell, kernel, todo, known, handover);
  await writeFile(proofPath(kernel.directory), JSON.stringify(proof));

  const facts: KernelFacts[] = [];
  const text = await inventory(workshop, cell, kernel);
  await inWorkDirectory(workshop, cell, async (directory) => {
    for (const built of kernel.facts) {
      const { asset, format, packages } = built;
      const overrides = [...built.overrides, ...ofBoots];
      // A boot counts only if the base still has the same inputs.
      const proven = proof[format].filter(
        (each) => !each.rootfs || bases.some((base) => isBootOf(workshop, each, base)),
      );
      const each = {
        ...{ ...built, overrides, inputs: inputsWith(cell, overrides) },
        ...{ boot: proven, sbom: sbomFacts(asset, text, packages) },
      };
      const copy = join(directory, asset);
      await copyFile(join(kernel.directory, format), copy);
      await workshop.staging.put(copy, each, text);
      facts.push(each);
    }
  });
  await copyFile(join(kernel.directory, "config"), join(workshop.staging.directory, configName(cell)));
  return facts;
}

/** The name of the resolved configuration among the staged files. */
const configName = ({ arch }: KernelCell) => `vmlinux-${arch}.config`;

/** The inventory of a kernel: its source, its configuration and its toolchain. */
async function inventory(
  { options, run }: Workshop,
  cell: KernelCell,
  { directory, facts }: BuiltKernel,
): Promise<string> {
  const { source, packages } = facts[0]!;
  const [name = "", version = ""] = source.split(" ");
  const hashed = async (name: string, path: string) => ({ name, sha256: await sha256File(path, run.signal) });
  const fragments = cell.files.filter((path) => path.endsWith(".config"));
  return kernelSbom({
    ...{ name: cell.id, arch: cell.arch, source: { package: name, version }, packages },
    fragments: await Promise.all(fragments.map((path) => hashed(path, locate(options.root, path)))),
    config: await hashed(configName(cell), join(directory, "config")),
  });
}

/** Boots the kernel with `bases`. Known boots with its other bases are kept. */
async function boot(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  bases: readonly BaseCell[],
  known: Proof | undefined,
  handover: Handover,
): Promise<Proof> {
  await mkdir(cellDirectory(workshop, cell), { recursive: true });
  const proof: Proof = { elf: [], image: [] };
  if (!buildsBases(workshop, cell)) {
    workshop.run.progress.warn(
      `this machine's Docker cannot build bases for ${cell.arch}: ${cell.id} is only booted up to its PID 1, without a root file system`,
    );
    for (const format of KERNEL_FORMATS) proof[format].push(await probe(workshop, cell, kernel, format));
    return proof;
  }
  const others = basesFor(workshop, cell).filter((base) => !bases.includes(base));
  for (const format of KERNEL_FORMATS) {
    const kept = known?.[format].filter((each) => others.some((base) => isBootOf(workshop, each, base)));
    proof[format].push(...(kept ?? []));
  }
  for (const base of bases) {
    const { image, source } = await handover.ensure(base);
    await inWorkDirectory(workshop, base, async (directory) => {
      await makeRootfs(workshop, base, { image, order: [] }, directory);
      for (const format of KERNEL_FORMATS) {
        const disk = join(directory, IMAGE);
        const { rootfs, ...booted } = await bootWith(workshop, cell, kernel, format, { id: base.id, disk });
        proof[format].push({ ...booted, rootfs: { ...rootfs, source, inputs: baseInputs(workshop, base) } });
      }
    });
  }
  return proof;
}

/**
 * The options to boot a kernel in a format. On arm64 every VMM starts the kernel image, so it is booted in place of the ELF
 * kernel of the same build.
 */
function start(workshop: Workshop, cell: KernelCell, kernel: BuiltKernel, format: KernelFormat) {
  const machine = BUSES[format];
  const started = formatOn(machine, cell.arch);
  return {
    ...{ started, machine, kernel: join(kernel.directory, started) },
    // In the cell's directory, so that it is kept when a boot fails.
    consoleLog: join(cellDirectory(workshop, cell), `console-${format}.log`),
    accel: workshop.options.accel,
  };
}

/** Boots a root file system with a kernel and logs in with SSH. @throws PipelineError that names both */
async function bootWith(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  format: KernelFormat,
  { id, disk }: { id: string; disk: string },
) {
  const { run, options } = workshop;
  const { started, machine, kernel: path, ...common } = start(workshop, cell, kernel, format);
  const title = `${id} with the kernel's ${started} (${machine} devices)`;
  run.progress.step(`boot ${title}`);
  const machineOptions = {
    ...{ ...common, arch: cell.arch, disk, bus: machine, check: null },
    ...{ kernel: { kernel: path }, timeoutMs: options.bootTimeoutMs },
  };
  try {
    const { check: _, ms, ready_uptime_s, ...booted } = await verifyBoot(machineOptions, run);
    return { ...booted, started, machine, rootfs: { id, ms, ready_uptime_s } };
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw within(title, error);
  }
}

/** Boots a kernel up to its PID 1, without a root file system. */
async function probe(workshop: Workshop, cell: KernelCell, kernel: BuiltKernel, format: KernelFormat) {
  const { started, machine, ...common } = start(workshop, cell, kernel, format);
  workshop.run.progress.step(`boot the kernel's ${started} up to its PID 1 (${machine} devices)`);
  const initrd = join(kernel.directory, "probe.cpio");
  const options = { ...common, arch: cell.arch, bus: machine, initrd };
  return { ...(await probeKernel(options, workshop.run)), started, machine, rootfs: null };
}
