import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { KernelCell } from "../../../schema/cells.ts";
import { KernelFacts } from "../../../schema/facts.ts";
import { KERNEL_FORMATS } from "../../../schema/names.ts";
import { sha256File } from "../../../util/hash.ts";
import { readRecord } from "../../../util/record.ts";
import type { Kernel } from "../../../vm/proof/verify.ts";
import { notBuilt, type Workshop } from "../../workshop.ts";
import { compileKernel } from "./compile.ts";

/** What is known of a kernel before it is booted: the facts of each of its assets. */
const BuiltFacts = z.array(KernelFacts.omit({ boot: true, sbom: true })).length(KERNEL_FORMATS.length);

/** A kernel in the cache: a directory with `elf`, `image`, `config`, `probe.cpio`. */
export interface BuiltKernel {
  readonly directory: string;
  readonly facts: z.infer<typeof BuiltFacts>;
  /** What was not as declared. */
  readonly overrides: readonly string[];
}

/** A kernel to boot images with. */
export interface BootKernel extends Kernel {
  readonly sha256: string;
}

const FACTS = "facts.json";

/** Where kernels are kept by their inputs, so that none is compiled twice: also what Actions caches. */
export const kernelDirectory = ({ cache }: Pick<Workshop, "cache">, cell: KernelCell) =>
  join(cache, "kernels", `${cell.id}-${cell.inputs.slice(0, 12)}`);

/** The kernel that an earlier build stage left. @throws PipelineError where there is none */
export async function builtKernel(workshop: Workshop, cell: KernelCell): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  const facts = await readRecord(join(directory, FACTS), BuiltFacts);
  if (!facts) throw notBuilt(cell);
  return { directory, facts, overrides: facts[0]!.overrides };
}

/** The kernel of these inputs: the one in the cache, or a new one. @throws PipelineError */
export async function ensureKernel(
  workshop: Workshop,
  cell: KernelCell,
  noCache = false,
): Promise<BuiltKernel> {
  const directory = kernelDirectory(workshop, cell);
  if (noCache || !(await readRecord(join(directory, FACTS), BuiltFacts))) {
    // It appears in the cache as a whole.
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

/** What images are booted with: the user's kernel, or else this one, as QEMU starts it. */
export async function bootKernel(workshop: Workshop, cell: KernelCell): Promise<BootKernel> {
  const { kernel: given } = workshop.options;
  if (given) return { ...given, sha256: await sha256File(given.kernel, workshop.run.signal) };
  const { directory, facts } = await ensureKernel(workshop, cell);
  const { format, sha256 } = facts.find((each) => each.format === "image")!;
  return { kernel: join(directory, format), sha256 };
}
