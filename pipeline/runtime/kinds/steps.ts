import type { Cell } from "../../schema/cells.ts";
import type { Facts } from "../../schema/facts.ts";
import type { CellOf } from "../../schema/kinds/index.ts";
import type { Workshop } from "../workshop.ts";
import type { Base } from "./base/container.ts";
import type { BootKernels } from "./kernel/cache.ts";

/** What the cells of a kind make for cells of other kinds. */
export interface HandedOver {
  readonly kernel: BootKernels;
  readonly base: Base;
}

/** Provides what cells need from other cells. Each is made once, or taken from a cache, and shared. */
export interface Handover {
  /** What `cell` makes for other cells. @throws PipelineError if it cannot be made */
  ensure<C extends CellOf<keyof HandedOver>>(cell: C): Promise<HandedOver[C["kind"]]>;
  /** What `cell` needs from the cell of kind `kind` that it depends on. @throws PipelineError if there is no such cell */
  below<K extends keyof HandedOver>(cell: Cell, kind: K): Promise<HandedOver[K]>;
}

/** The result of the build stage. */
interface Built {
  /** What differs from the declaration. */
  readonly overrides: readonly string[];
}

/** The verify stage of a cell, when everything that it needs is ready. */
interface Proof<B extends Built> {
  /** Whether it can prove more than the staged facts record. */
  provesMore(staged: readonly Facts[]): boolean;
  /** Boots what was built, and stages the assets with their facts. @throws PipelineError if a boot fails */
  prove(built: B): Promise<readonly Facts[]>;
}

/** The comparison of two builds of a cell. */
export interface Twice {
  /** By file name: the sha256 in the first and in the second build. */
  readonly files: Readonly<Record<string, readonly [string, string]>>;
  /** The differences inside the image, one line per path. */
  readonly differences: readonly string[];
  /** diffoscope's report on the first of them, if it is installed. */
  readonly diffoscope?: string;
}

/** The steps that make the cells of a kind. */
export interface Steps<C extends Cell = Cell, B extends Built = Built> {
  /** The user's options that change the bytes of a cell, sorted. */
  overrides(workshop: Workshop, cell: C): readonly string[];
  /** Builds a cell, or finds what was built from the same inputs. @throws PipelineError if the build fails */
  build(workshop: Workshop, cell: C, handover: Handover): Promise<B>;
  /** The result of an earlier build stage. @throws PipelineError if there is none */
  built(workshop: Workshop, cell: C): Promise<B>;
  /**
   * Prepares what the verify stage needs. It is called before the build, because a build takes minutes.
   * @param again whether to boot the cell even if it is proven
   * @throws PipelineError if something that is needed cannot be made
   */
  prepare(workshop: Workshop, cell: C, handover: Handover, again: boolean): Promise<Proof<B>>;
  /**
   * Builds a cell twice, without any cache except downloads. @throws PipelineError if a build fails
   * @param handoverOf provides what cells need from other cells
   */
  reproduce(workshop: Workshop, cell: C, handoverOf: (workshop: Workshop) => Handover): Promise<Twice>;
  /** The stage `container`: builds only the container image of a cell. @default cells of this kind have no such stage */
  container?(workshop: Workshop, cell: C, handover: Handover): Promise<Built>;
  /** Makes what other cells need from this one. @default other cells need nothing from it */
  handOver?(workshop: Workshop, cell: C): Promise<HandedOver[keyof HandedOver]>;
}
