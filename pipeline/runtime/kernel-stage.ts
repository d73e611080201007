import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { sbomFacts } from "../build/sbom.ts";
import type { BaseCell, KernelCell } from "../schema/cells.ts";
import { PipelineError } from "../schema/error.ts";
import { KernelBootFacts, type KernelFacts } from "../schema/facts.ts";
import { KERNEL_FORMATS, type KernelFormat } from "../schema/names.ts";
import { readRecord } from "../schema/record.ts";
import { probeKernel } from "../vm/probe.ts";
import type { Bus } from "../vm/qemu/arguments.ts";
import { verifyBoot } from "../vm/verify.ts";
import { ensureBase } from "./base.ts";
import { type BuiltKernel, kernelDirectory, kernelSbom } from "./kernel.ts";
import { withBaseImage } from "./rootfs-image.ts";
import { cellDirectory, inWorkDirectory, type Workshop } from "./workshop.ts";

/** What each format is booted on: an image as QEMU's users do, an ELF as near to Firecracker as QEMU can. */
const BUSES: Record<KernelFormat, Bus> = { image: "pci", elf: "mmio" };

/** QEMU starts nothing but `Image` on arm64: it stands for the ELF of the same build there. */
const startable = ({ arch }: KernelCell, format: KernelFormat): KernelFormat =>
  arch === "arm64" ? "image" : format;

/** The boots that prove a kernel, by format. Kept beside it, so that it is proven once. */
const Proof = z.record(z.enum(KERNEL_FORMATS), z.array(KernelBootFacts).min(1));
type Proof = z.infer<typeof Proof>;

/** Makes sure of what a kernel will be booted with, before minutes go into compiling it. */
export async function prepareBoots(workshop: Workshop, cell: KernelCell): Promise<void> {
  const proof = await readRecord(proofPath(kernelDirectory(workshop, cell)), Proof);
  if (proof && covers(workshop, cell, proof)) return;
  for (const base of basesFor(workshop, cell)) await ensureBase(workshop, base);
}

/**
 * Boots a kernel in every format with every base that it is meant for, and hands its assets with their
 * facts to the store. @param again boot it even if that has been done @throws PipelineError
 */
export async function verifyKernel(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  again: boolean,
): Promise<KernelFacts[]> {
  const path = proofPath(kernel.directory);
  const known = again ? undefined : await readRecord(path, Proof);
  const proof = known && covers(workshop, cell, known) ? known : await prove(workshop, cell, kernel);
  await writeFile(path, JSON.stringify(proof));

  const facts: KernelFacts[] = [];
  await inWorkDirectory(workshop, cell, async (directory) => {
    for (const built of kernel.facts) {
      const { asset, format, packages } = built;
      const text = kernelSbom(cell, packages);
      const each = { ...built, boot: proof[format], sbom: sbomFacts(asset, text, packages) };
      const copy = join(directory, asset);
      await copyFile(join(kernel.directory, format), copy);
      await workshop.store.put(copy, each, text);
      facts.push(each);
    }
  });
  const config = join(workshop.store.directory, `vmlinux-${cell.arch}.config`);
  await copyFile(join(kernel.directory, "config"), config);
  return facts;
}

const proofPath = (directory: string) => join(directory, "proof.json");

const isNative = (workshop: Workshop, cell: KernelCell) => cell.arch === workshop.arch;

/** None where this machine cannot build for the kernel's arch: there it is probed. */
function basesFor(workshop: Workshop, cell: KernelCell): BaseCell[] {
  if (!isNative(workshop, cell)) return [];
  return workshop.cells.cells.filter(
    (each): each is BaseCell => each.kind === "base" && cell.boots.includes(each.id),
  );
}

function covers(workshop: Workshop, cell: KernelCell, proof: Proof): boolean {
  const wanted = basesFor(workshop, cell).map(({ id }) => id);
  return KERNEL_FORMATS.every((format) => {
    const booted = proof[format].map(({ rootfs }) => rootfs?.id);
    return wanted.every((id) => booted.includes(id));
  });
}

async function prove(workshop: Workshop, cell: KernelCell, kernel: BuiltKernel): Promise<Proof> {
  const { run } = workshop;
  await mkdir(cellDirectory(workshop, cell), { recursive: true });
  if (!isNative(workshop, cell)) {
    run.progress.warn(
      `this machine's Docker cannot build for ${cell.arch}: ${cell.id} is booted up to its PID 1, not with a root file system`,
    );
    return await probe(workshop, cell, kernel);
  }
  const proof: Proof = { elf: [], image: [] };
  for (const base of basesFor(workshop, cell)) {
    await withBaseImage(workshop, base, async (disk, { source }) => {
      for (const format of KERNEL_FORMATS) {
        const { rootfs, ...boot } = await bootWith(workshop, cell, kernel, format, { id: base.id, disk });
        proof[format].push({ ...boot, rootfs: { ...rootfs, source } });
      }
    });
  }
  return proof;
}

/** Boots a root file system up to an SSH login. @throws PipelineError that says with what */
async function bootWith(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  format: KernelFormat,
  { id, disk }: { id: string; disk: string },
) {
  const { run, options } = workshop;
  const started = startable(cell, format);
  const machine = BUSES[format];
  const title = `${id} with the kernel's ${started}, devices on ${machine}`;
  run.progress.step(`boot ${title}`);
  const machineOptions = {
    ...{ arch: cell.arch, disk, bus: machine, check: null },
    kernel: { kernel: join(kernel.directory, started) },
    consoleLog: consoleLog(workshop, cell, format),
    accel: options.accel,
    timeoutMs: options.bootTimeoutMs,
  };
  try {
    const { check: _, ms, ready_uptime_s, ...boot } = await verifyBoot(machineOptions, run);
    return { ...boot, started, machine, rootfs: { id, ms, ready_uptime_s } };
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw new PipelineError(`${title}: ${error.message}`, { details: error.details, cause: error });
  }
}

async function probe(workshop: Workshop, cell: KernelCell, kernel: BuiltKernel): Promise<Proof> {
  const proof: Proof = { elf: [], image: [] };
  for (const format of KERNEL_FORMATS) {
    const started = startable(cell, format);
    const machine = BUSES[format];
    workshop.run.progress.step(`boot the kernel's ${started} up to its PID 1, devices on ${machine}`);
    const probed = await probeKernel(
      {
        arch: cell.arch,
        bus: machine,
        kernel: join(kernel.directory, started),
        initrd: join(kernel.directory, "probe.cpio"),
        accel: workshop.options.accel,
        consoleLog: consoleLog(workshop, cell, format),
      },
      workshop.run,
    );
    proof[format].push({ ...probed, started, machine, rootfs: null });
  }
  return proof;
}

/** Beside the cell's other leavings, where a failed boot is looked for. */
const consoleLog = (workshop: Workshop, cell: KernelCell, format: KernelFormat) =>
  join(cellDirectory(workshop, cell), `console-${format}.log`);
