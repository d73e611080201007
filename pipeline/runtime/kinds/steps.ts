import type { Cell } from "../../schema/cells.ts";
import type { Facts } from "../../schema/facts.ts";
import type { CellOf } from "../../schema/kinds/index.ts";
import type { Workshop } from "../workshop.ts";
import type { Base } from "./base/container.ts";
import type { BootKernel } from "./kernel/cache.ts";

/** What cells hand to the cells of other kinds, by their own kind. */
export interface HandedOver {
  readonly kernel: BootKernel;
  readonly base: Base;
}

/** Gives cells what they need of others: it is made once, or taken from a cache, and shared. */
export interface Handover {
  /** What a cell hands on. */
  ensure<C extends CellOf<keyof HandedOver>>(cell: C): Promise<HandedOver[C["kind"]]>;
  /** What the cell of a kind that `cell` leans on hands on. @throws PipelineError where there is no such cell */
  below<K extends keyof HandedOver>(cell: Cell, kind: K): Promise<HandedOver[K]>;
}

/** What the build stage has made. */
interface Built {
  /** What was not as declared. */
  readonly overrides: readonly string[];
}

/** How a cell is proven, once what that takes is at hand. */
interface Proof<B extends Built> {
  /** Whether it can prove more than the facts that are staged already say. */
  bringsMore(staged: readonly Facts[]): boolean;
  /** Boots what was built, and hands the assets with their facts to the store. @throws PipelineError */
  prove(built: B): Promise<readonly Facts[]>;
}

/** What two builds of a cell have made, to be compared. */
export interface Twice {
  /** The sha256 of each file, as each of the builds made it. */
  readonly files: Readonly<Record<string, readonly [string, string]>>;
  /** What differs inside, path by path. */
  readonly differences: readonly string[];
  /** What diffoscope says of the first of them, where it is installed. */
  readonly diffoscope?: string;
}

/** How the cells of a kind are built, proven, reproduced and handed on. */
export interface Steps<C extends Cell = Cell, B extends Built = Built> {
  /** What the user has asked for that changes the bytes of a cell; sorted. */
  overrides(workshop: Workshop, cell: C): readonly string[];
  /** Builds it, or finds what was built from the same inputs. @throws PipelineError */
  build(workshop: Workshop, cell: C, handover: Handover): Promise<B>;
  /** What an earlier build stage has left. @throws PipelineError where there is nothing */
  built(workshop: Workshop, cell: C): Promise<B>;
  /**
   * Makes sure of what the proof takes, before minutes go into building.
   * @param again whether it is booted even if it has been proven
   * @throws PipelineError
   */
  prepare(workshop: Workshop, cell: C, handover: Handover, again: boolean): Promise<Proof<B>>;
  /**
   * Builds a cell twice, from nothing but what was downloaded. @throws PipelineError
   * @param handoverOf gives what cells need of others, made in a workshop
   */
  reproduce(workshop: Workshop, cell: C, handoverOf: (workshop: Workshop) => Handover): Promise<Twice>;
  /** What other cells need of this one. @default nothing */
  handOver?(workshop: Workshop, cell: C): Promise<HandedOver[keyof HandedOver]>;
}
