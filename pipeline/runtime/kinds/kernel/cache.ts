import { open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { KernelCell } from "../../../schema/cells.ts";
import { KernelFacts } from "../../../schema/facts.ts";
import { KERNEL_FORMATS, type KernelFormat } from "../../../schema/names.ts";
import { sha256File } from "../../../util/hash.ts";
import { readRecord } from "../../../util/record.ts";
import type { Kernel } from "../../../vm/proof/verify.ts";
import { type Bus, formatOn } from "../../../vm/qemu/arguments.ts";
import { notBuilt, type Workshop } from "../../workshop.ts";
import { compileKernel } from "./compile.ts";
import { releasedKernel } from "./released.ts";

/** The facts of each of a kernel's assets before it is booted. */
const BuiltFacts = z.array(KernelFacts.omit({ boot: true, sbom: true })).length(KERNEL_FORMATS.length);

/** A compiled kernel in the cache. Its directory has `elf`, `image`, `config` and `probe.cpio`. */
export interface BuiltKernel {
  readonly directory: string;
  readonly facts: z.infer<typeof BuiltFacts>;
  /** What differs from the declaration. */
  readonly overrides: readonly string[];
}

/** A kernel that images are booted with. */
interface BootKernel extends Kernel {
  readonly format: KernelFormat;
  readonly sha256: string;
}
/** The kernel for machines with each bus. */
export type BootKernels = Readonly<Record<Bus, BootKernel>>;

const FACTS = "facts.json";

/** The cache directory of a kernel, by its inputs, so that it is compiled only once. The workflow of pull requests keeps it between runs. */
export const kernelDirectory = ({ cache }: Pick<Workshop, "cache">, cell: KernelCell) =>
  join(cache, "kernels", `${cell.id}-${cell.inputs.slice(0, 12)}`);

const isBuilt = async (workshop: Workshop, cell: KernelCell): Promise<boolean> =>
  (await readRecord(join(kernelDirectory(workshop, cell), FACTS), BuiltFacts)) !== undefined;

/** The kernel of an earlier build stage. @throws PipelineError if there is none */
export async function builtKernel(workshop: Workshop, cell: KernelCell): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  const facts = await readRecord(join(directory, FACTS), BuiltFacts);
  if (!facts) throw notBuilt(cell);
  return { directory, facts, overrides: facts[0]!.overrides };
}

/** The kernel of a cell: from the cache, or else compiled. @throws PipelineError if it cannot be compiled */
export async function ensureKernel(
  workshop: Workshop,
  cell: KernelCell,
  noCache = false,
): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  if (noCache || !(await isBuilt(workshop, cell))) {
    // Renamed when complete, so that the cache never has an incomplete kernel.
    const partial = `${directory}.${process.pid}.partial`;
    try {
      const facts = await compileKernel(workshop, cell, partial, noCache);
      await writeFile(join(partial, FACTS), JSON.stringify(facts));
      await rm(directory, { recursive: true, force: true });
      await rename(partial, directory);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  return await builtKernel(workshop, cell);
}

/** The kernel of a cell to boot with: from the cache, from a release, or else compiled. */
async function kernelToBoot(workshop: Workshop, cell: KernelCell) {
  const released = (await isBuilt(workshop, cell))
    ? undefined
    : await releasedKernel(kernelDirectory(workshop, cell));
  if (released) {
    const { directory, sha256 } = released;
    return { directory, sha256Of: (format: KernelFormat) => sha256[format] };
  }
  const { directory, facts } = await ensureKernel(workshop, cell);
  return {
    directory,
    sha256Of: (format: KernelFormat) => facts.find((each) => each.format === format)!.sha256,
  };
}

/**
 * The kernels that images are booted with: this cell's, each in the format that its machine starts, or else the user's,
 * which is one file for every machine.
 */
export async function bootKernels(workshop: Workshop, cell: KernelCell): Promise<BootKernels> {
  const { kernel: given } = workshop.options;
  if (given) {
    const format = await formatOfFile(given.kernel);
    const kernel = { ...given, format, sha256: await sha256File(given.kernel, workshop.run.signal) };
    return { pci: kernel, mmio: kernel };
  }
  const { directory, sha256Of } = await kernelToBoot(workshop, cell);
  const kernelOn = (bus: Bus): BootKernel => {
    const format = formatOn(bus, cell.arch);
    const sha256 = sha256Of(format);
    return { kernel: join(directory, format), format, sha256 };
  };
  return { pci: kernelOn("pci"), mmio: kernelOn("mmio") };
}

const ELF_MAGIC = "\x7fELF";

async function formatOfFile(path: string): Promise<KernelFormat> {
  await using file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(ELF_MAGIC.length), 0, ELF_MAGIC.length, 0);
  return buffer.toString("latin1") === ELF_MAGIC ? "elf" : "image";
}
