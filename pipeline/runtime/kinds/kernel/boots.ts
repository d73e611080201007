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

/** The boots that prove a kernel, by format. They are stored with the kernel, so that it is not proven again. */
const Proof = z.record(z.enum(KERNEL_FORMATS), z.array(KernelBootFacts).min(1));
export type Proof = z.infer<typeof Proof>;

export const proofPath = (directory: string) => join(directory, "proof.json");
/** The recorded proof of the kernel in a directory; undefined if there is none. */
export const readProof = (directory: string) => readRecord(proofPath(directory), Proof);

/** The boots that a kernel still needs. */
export interface Boots {
  /** Whether to boot it again, even if it is proven. */
  readonly again: boolean;
  /** The bases that it must still boot. Their container images exist. */
  readonly left: readonly BaseCell[];
  /** The bases that it has not booted, and whose sources cannot be reached from this machine. */
  readonly missed: readonly BaseCell[];
  /** The overrides for its facts: bases that were not booted, or were made from a source of the user. */
  readonly overrides: readonly string[];
}

/**
 * Makes the bases that a kernel will boot, before it is compiled, because compiling takes minutes. A base whose sources
 * cannot be reached is skipped with a warning, if another base can be reached. @throws PipelineError if none can be
 */
export async function prepareBoots(
  workshop: Workshop,
  cell: KernelCell,
  handover: Handover,
  again: boolean,
): Promise<Boots> {
  const { options, run } = workshop;
  // With --no-cache the kernel is built again, and the new build needs its own proof.
  const known = options.noCache ? undefined : await readProof(kernelDirectory(workshop, cell));
  const wanted = basesFor(workshop, cell);
  const left: BaseCell[] = [];
  /** With the reason why the last of its sources could not be reached. */
  const missed = new Map<BaseCell, string>();
  let failure: NoSourceReached | undefined;
  for (const base of wanted.filter((each) => again || !isProven(workshop, known, each))) {
    try {
      await handover.ensure(base);
      left.push(base);
    } catch (error) {
      // A tarball that the user names must exist.
      if (!(error instanceof NoSourceReached) || rootfsFor(options, base.flavor)) throw error;
      failure = error;
      const why = error.details.at(-1)?.replace(/^- /, "") ?? error.message;
      if (!isProven(workshop, known, base)) missed.set(base, why);
    }
  }
  if (failure && left.length === 0 && (again || missed.size === wanted.length)) {
    throw new PipelineError(
      `the kernel cannot be proven: none of its bases can be reached (${wanted.map(({ id }) => id).join(", ")})`,
      {
        ...{ code: "not-fetched", details: failure.details, cause: failure },
        fix: `give the root file system of one base with --rootfs ${wanted[0]!.flavor}=PATH|URL`,
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
      `${cell.id} is not proven with ${id}, which cannot be reached (${why}), so it cannot be published: ` +
        `give the base's root file system with --rootfs ${flavor}=PATH|URL`,
    );
  }
  return { again, left, missed: [...missed.keys()], overrides };
}

/** Whether a kernel can be proven with more bases, or other ones, than its staged facts record. */
export function provesMore({ left, overrides }: Boots, staged: readonly Facts[]): boolean {
  return left.length > 0 || staged.some((facts) => unproven(facts).join() !== overrides.join());
}

/** Whether this machine can build the bases that the kernel boots. If not, the kernel is only probed. */
export const buildsBases = (workshop: Workshop, cell: KernelCell) => workshop.archs.includes(cell.arch);

/** The bases that a kernel must boot on this machine. */
export const basesFor = (workshop: Workshop, cell: KernelCell): BaseCell[] =>
  buildsBases(workshop, cell)
    ? ofKind(workshop.cells.cells, "base").filter(({ id }) => cell.boots.includes(id))
    : [];

/** Whether the kernel has booted a base with its current inputs in every format. */
export const isProven = (workshop: Workshop, proof: Proof | undefined, base: BaseCell): boolean =>
  KERNEL_FORMATS.every((format) => proof?.[format].some((boot) => isBootOf(workshop, boot, base)));

/** Whether a boot was with a base with its current inputs. */
export const isBootOf = (workshop: Workshop, { rootfs }: KernelBootFacts, base: BaseCell): boolean =>
  rootfs?.id === base.id && rootfs.inputs === baseInputs(workshop, base);
