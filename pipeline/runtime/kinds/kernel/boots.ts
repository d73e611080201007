import { join } from "node:path";
import { z } from "zod";
import { NoSourceReached } from "../../../image/rootfs/source.ts";
import { bootsNotReached, bootsOther, checkDeclared, rootfsFor, unproven } from "../../../plan/freshness.ts";
import type { BaseCell, KernelCell } from "../../../schema/cells.ts";
import { type Facts, KernelBootFacts } from "../../../schema/facts.ts";
import { ofKind } from "../../../schema/kinds/index.ts";
import { KERNEL_FORMATS } from "../../../schema/names.ts";
import { PipelineError } from "../../../util/error.ts";
import { readRecord } from "../../../util/record.ts";
import type { Workshop } from "../../workshop.ts";
import { baseInputs } from "../base/container.ts";
import type { Handover } from "../steps.ts";
import { kernelDirectory } from "./cache.ts";

/** The boots that prove a kernel, by format. Kept beside it, so that it is proven once. */
const Proof = z.record(z.enum(KERNEL_FORMATS), z.array(KernelBootFacts).min(1));
export type Proof = z.infer<typeof Proof>;

export const proofPath = (directory: string) => join(directory, "proof.json");
/** Undefined where nothing is proven yet. */
export const readProof = (directory: string) => readRecord(proofPath(directory), Proof);

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
export async function prepareBoots(
  workshop: Workshop,
  cell: KernelCell,
  handover: Handover,
  again: boolean,
): Promise<Boots> {
  const { options, run } = workshop;
  // Another build of the same inputs is to prove itself.
  const known = options.noCache ? undefined : await readProof(kernelDirectory(workshop, cell));
  const wanted = basesFor(workshop, cell);
  const left: BaseCell[] = [];
  /** With why the last of its sources could not be reached. */
  const missed = new Map<BaseCell, string>();
  let failure: NoSourceReached | undefined;
  for (const base of wanted.filter((each) => again || !isProven(workshop, known, each))) {
    try {
      await handover.ensure(base);
      left.push(base);
    } catch (error) {
      // A tarball that the user names is to be there.
      if (!(error instanceof NoSourceReached) || rootfsFor(options, base.flavor)) throw error;
      failure = error;
      const why = error.details.at(-1)?.replace(/^- /, "") ?? error.message;
      if (!isProven(workshop, known, base)) missed.set(base, why);
    }
  }
  if (failure && left.length === 0 && (again || missed.size === wanted.length)) {
    throw new PipelineError(
      `none of the bases that prove it can be reached (${wanted.map(({ id }) => id).join(", ")})`,
      {
        ...{ code: "not-fetched", details: failure.details, cause: failure },
        fix: `give the root file system of one with --rootfs ${wanted[0]!.flavor}=PATH|URL`,
      },
    );
  }
  const overrides = wanted.flatMap((base) => {
    if (missed.has(base)) return [bootsNotReached(base.flavor)];
    const rootfs = rootfsFor(options, base.flavor);
    return rootfs ? [bootsOther(base.flavor, rootfs)] : [];
  });
  checkDeclared(workshop, overrides);
  for (const [{ id, flavor }, why] of missed) {
    run.progress.warn(
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

/** Whether this machine can build what the kernel boots; otherwise the kernel is probed. */
export const isNative = (workshop: Workshop, cell: KernelCell) => cell.arch === workshop.arch;

/** The bases that a kernel is to boot here. */
export const basesFor = (workshop: Workshop, cell: KernelCell): BaseCell[] =>
  isNative(workshop, cell)
    ? ofKind(workshop.cells.cells, "base").filter(({ id }) => cell.boots.includes(id))
    : [];

/** Whether a base, as it is made now, was booted in every format. */
export const isProven = (workshop: Workshop, proof: Proof | undefined, base: BaseCell): boolean =>
  KERNEL_FORMATS.every((format) => proof?.[format].some((boot) => isBootOf(workshop, boot, base)));

/** Whether a boot was with a base as it is made now. */
export const isBootOf = (workshop: Workshop, { rootfs }: KernelBootFacts, base: BaseCell): boolean =>
  rootfs?.id === base.id && rootfs.inputs === baseInputs(workshop, base);
