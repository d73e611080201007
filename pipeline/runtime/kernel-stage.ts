import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { sbomFacts } from "../image/rootfs/sbom.ts";
import { NoSourceReached } from "../image/rootfs/source.ts";
import {
  bootsNotReached,
  bootsOther,
  checkDeclared,
  inputsWith,
  rootfsFor,
  unproven,
} from "../plan/freshness.ts";
import type { BaseCell, KernelCell } from "../schema/cells.ts";
import { type Facts, KernelBootFacts, type KernelFacts } from "../schema/facts.ts";
import { KERNEL_FORMATS, type KernelFormat } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { readRecord } from "../util/record.ts";
import { probeKernel } from "../vm/proof/probe.ts";
import { verifyBoot } from "../vm/proof/verify.ts";
import type { Bus } from "../vm/qemu/arguments.ts";
import { baseInputs, ensureBase } from "./base.ts";
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

/** What is left to prove of a kernel. */
export interface Boots {
  /** Whether it is booted even if that has been done. */
  readonly again: boolean;
  /** The bases that it is still to boot, each of them at hand. */
  readonly left: readonly BaseCell[];
  /** Those that it has not booted, and that cannot be reached from here. */
  readonly missed: readonly BaseCell[];
  /** What its facts must say of that: a base that was not booted, or not as it is declared. */
  readonly overrides: readonly string[];
}

/**
 * Makes sure of what a kernel will be booted with, before minutes go into compiling it. A base that cannot be
 * reached is left out, with a warning, as long as there is another. @throws PipelineError
 */
export async function prepareBoots(workshop: Workshop, cell: KernelCell, again: boolean): Promise<Boots> {
  // Another build of the same inputs is to prove itself.
  const known = workshop.options.noCache ? undefined : await readProof(kernelDirectory(workshop, cell));
  const wanted = basesFor(workshop, cell);
  const left: BaseCell[] = [];
  /** With why the last of its sources could not be reached. */
  const missed = new Map<BaseCell, string>();
  let failure: NoSourceReached | undefined;
  for (const base of wanted.filter((each) => again || !isProven(workshop, known, each))) {
    try {
      await ensureBase(workshop, base);
      left.push(base);
    } catch (error) {
      // A tarball that the user names is to be there.
      if (!(error instanceof NoSourceReached) || rootfsFor(workshop.options, base.flavor)) throw error;
      failure = error;
      const why = error.details.at(-1)?.replace(/^- /, "") ?? error.message;
      if (!isProven(workshop, known, base)) missed.set(base, why);
    }
  }
  if (failure && left.length === 0 && (again || missed.size === wanted.length)) {
    throw noneReached(wanted, failure);
  }
  const overrides = overridesFor(workshop, wanted, [...missed.keys()]);
  checkDeclared(workshop, overrides);
  for (const [{ id, flavor }, why] of missed) {
    workshop.run.progress.warn(
      `${cell.id} is not proven with ${id}, which cannot be reached (${why}): give its root file system with ` +
        `--rootfs ${flavor}=PATH|URL; until then its facts say so, and it is not for publishing`,
    );
  }
  return { again, left, missed: [...missed.keys()], overrides };
}

/** Whether more is proven, or can be, than the staged facts of a kernel say. */
export function bringsMore({ left, overrides }: Boots, staged: readonly Facts[]): boolean {
  return left.length > 0 || staged.some((facts) => unproven(facts).join() !== overrides.join());
}

function overridesFor({ options }: Workshop, wanted: readonly BaseCell[], missed: readonly BaseCell[]) {
  return wanted.flatMap((base) => {
    if (missed.includes(base)) return [bootsNotReached(base.flavor)];
    const rootfs = rootfsFor(options, base.flavor);
    return rootfs ? [bootsOther(base.flavor, rootfs)] : [];
  });
}

const noneReached = (wanted: readonly BaseCell[], cause: NoSourceReached) =>
  new PipelineError(
    `none of the bases that prove it can be reached (${wanted.map(({ id }) => id).join(", ")}): give the root file ` +
      `system of one with --rootfs ${wanted[0]!.flavor}=PATH|URL`,
    { details: cause.details, cause },
  );

/**
 * Boots a kernel in every format with every base that is left, and hands its assets with their facts to the
 * store. @throws PipelineError
 */
export async function verifyKernel(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  { again, left, missed, overrides: ofBoots }: Boots,
): Promise<KernelFacts[]> {
  const known = await readProof(kernel.directory);
  const others = basesFor(workshop, cell).filter((base) => ![...left, ...missed].includes(base));
  const todo = [...left, ...others.filter((base) => !isProven(workshop, known, base))];
  const isDone = known && todo.length === 0 && (isNative(workshop, cell) || !again);
  const proof = isDone ? known : await prove(workshop, cell, kernel, todo, known);
  await writeFile(proofPath(kernel.directory), JSON.stringify(proof));

  const facts: KernelFacts[] = [];
  await inWorkDirectory(workshop, cell, async (directory) => {
    for (const built of kernel.facts) {
      const { asset, format, packages } = built;
      const text = kernelSbom(cell, packages);
      const overrides = [...built.overrides, ...ofBoots];
      const each = {
        ...{ ...built, overrides, inputs: inputsWith(cell, overrides) },
        ...{ boot: bootsOf(workshop, cell, proof[format]), sbom: sbomFacts(asset, text, packages) },
      };
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

/** The boots that still prove something: with a base that was made in another way since, none does. */
function bootsOf(workshop: Workshop, cell: KernelCell, boots: readonly KernelBootFacts[]): KernelBootFacts[] {
  const bases = basesFor(workshop, cell);
  return boots.filter((boot) => !boot.rootfs || bases.some((base) => isBootOf(workshop, boot, base)));
}

const proofPath = (directory: string) => join(directory, "proof.json");

const readProof = (directory: string) => readRecord(proofPath(directory), Proof);

const isNative = (workshop: Workshop, cell: KernelCell) => cell.arch === workshop.arch;

/** None where this machine cannot build for the kernel's arch: there it is probed. */
function basesFor(workshop: Workshop, cell: KernelCell): BaseCell[] {
  if (!isNative(workshop, cell)) return [];
  return workshop.cells.cells.filter(
    (each): each is BaseCell => each.kind === "base" && cell.boots.includes(each.id),
  );
}

/** Whether a base, as it is made now, was booted in every format. */
const isProven = (workshop: Workshop, proof: Proof | undefined, base: BaseCell): boolean =>
  KERNEL_FORMATS.every((format) => proof?.[format].some((boot) => isBootOf(workshop, boot, base)));

const isBootOf = (workshop: Workshop, { rootfs }: KernelBootFacts, base: BaseCell): boolean =>
  rootfs?.id === base.id && rootfs.inputs === baseInputs(workshop, base);

/** Boots the kernel with `bases`; what is known of the other ones that it is meant for stays. */
async function prove(
  workshop: Workshop,
  cell: KernelCell,
  kernel: BuiltKernel,
  bases: readonly BaseCell[],
  known: Proof | undefined,
): Promise<Proof> {
  const { run } = workshop;
  await mkdir(cellDirectory(workshop, cell), { recursive: true });
  if (!isNative(workshop, cell)) {
    run.progress.warn(
      `this machine's Docker cannot build for ${cell.arch}: ${cell.id} is booted up to its PID 1, not with a root file system`,
    );
    return await probe(workshop, cell, kernel);
  }
  const proof: Proof = { elf: [], image: [] };
  const others = basesFor(workshop, cell).filter((base) => !bases.includes(base));
  for (const format of KERNEL_FORMATS) {
    const kept = known?.[format].filter((boot) => others.some((base) => isBootOf(workshop, boot, base)));
    proof[format].push(...(kept ?? []));
  }
  for (const base of bases) {
    await withBaseImage(workshop, base, async (disk, { source }) => {
      for (const format of KERNEL_FORMATS) {
        const { rootfs, ...boot } = await bootWith(workshop, cell, kernel, format, { id: base.id, disk });
        proof[format].push({ ...boot, rootfs: { ...rootfs, source, inputs: baseInputs(workshop, base) } });
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
