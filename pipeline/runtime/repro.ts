import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "../build/hash.ts";
import type { KernelCell } from "../schema/cells.ts";
import { KERNEL_FORMATS } from "../schema/names.ts";
import { compileKernel, ensureKernel, kernelDirectory } from "./kernel.ts";
import type { Workshop } from "./workshop.ts";

/** What two builds of a cell from the same inputs made, file by file. */
export interface Reproduction {
  readonly id: string;
  readonly inputs: string;
  readonly same: boolean;
  /** The sha256 of each file, as each of the builds made it. */
  readonly files: Readonly<Record<string, readonly [string, string]>>;
}

/** Compiles a kernel a second time, from nothing, and compares it with the one that is there. */
export async function reproduceKernel(workshop: Workshop, cell: KernelCell): Promise<Reproduction> {
  const first = await ensureKernel(workshop, cell);
  const second = `${kernelDirectory(workshop, cell)}.${process.pid}.again`;
  try {
    await compileKernel(workshop, cell, second, true);
    const files: Record<string, [string, string]> = {};
    for (const name of [...KERNEL_FORMATS, "config", "probe.cpio"]) {
      files[name] = [await sha256File(join(first.directory, name)), await sha256File(join(second, name))];
    }
    const same = Object.values(files).every(([a, b]) => a === b);
    return { id: cell.id, inputs: cell.inputs, same, files };
  } finally {
    await rm(second, { recursive: true, force: true });
  }
}
