import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { KernelCell } from "../../../schema/cells.ts";
import { KERNEL_FORMATS } from "../../../schema/names.ts";
import { sha256File } from "../../../util/hash.ts";
import type { Workshop } from "../../workshop.ts";
import type { Twice } from "../steps.ts";
import { ensureKernel, kernelDirectory } from "./cache.ts";
import { compileKernel } from "./compile.ts";

/** Compares the kernel in the cache, or a new one if there is none, with a second build. */
export async function reproduceKernel(workshop: Workshop, cell: KernelCell): Promise<Twice> {
  const first = await ensureKernel(workshop, cell);
  const again = `${kernelDirectory(workshop, cell)}.${process.pid}.again`;
  try {
    const second = await compileKernel(workshop, cell, again, true);
    const files: Record<string, [string, string]> = {};
    for (const [index, name] of KERNEL_FORMATS.entries()) {
      files[name] = [first.facts[index]!.sha256, second[index]!.sha256];
    }
    for (const name of ["config", "probe.cpio"]) {
      files[name] = [await sha256File(join(first.directory, name)), await sha256File(join(again, name))];
    }
    return { files, differences: [] };
  } finally {
    await rm(again, { recursive: true, force: true });
  }
}
