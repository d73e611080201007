import type { Cell } from "../cells.ts";
import type { Facts, ProvenOn } from "../facts.ts";

export type KindName = Cell["kind"];
export type CellOf<K extends KindName> = Extract<Cell, { kind: K }>;
type FactsAmong<F, K> = F extends Facts ? (K extends F["kind"] ? F : never) : never;
/** The type of the facts of a kind's assets. */
type FactsOf<K extends KindName> = FactsAmong<Facts, K>;

/** The fields of a cell from which its id and the names of its assets are made. */
export type CoordinatesOf<C> = C extends Cell
  ? Pick<C, Extract<keyof C, "kind" | "preset" | "name" | "arch" | "flavor">>
  : never;
/** The coordinates of any cell: `{ kind: "preset", preset, arch, flavor }`, `{ kind: "kernel", arch }`, … */
export type Coordinates = CoordinatesOf<Cell>;

/** What the job of a cell passes to the jobs of the cells that depend on it: a kernel, a base's container image. */
export interface HandedOn {
  /** Its name in the titles of workflow steps: in the job that makes it, and in the jobs that take it. */
  readonly made: string;
  readonly taken: string;
  /** Its directory, relative to the project's root. */
  readonly directory: string;
  /** The flags with which the command `cell` uses the directory. @default none: it always uses it */
  readonly flags?: string;
  /**
   * The stage of the command `cell` that makes it alone. The workflow runs it in a job of this name, at the same time as
   * the jobs of the cells that the cell itself depends on. @default the cell's own job makes it
   */
  readonly stage?: "container";
  /** Further flags of the command in that job. @default none */
  readonly stageFlags?: string;
}

/** The properties of a kind of cell that do not need a build. */
export interface Kind<C extends Cell = Cell> {
  /** The form of its ids: `base-<arch>-<flavor>`. */
  readonly idForm: string;
  id(coordinates: CoordinatesOf<C>): string;
  /** The names of a cell's files on the release. */
  assets(coordinates: CoordinatesOf<C>, defaultFlavor: string): string[];
  /** The names of files that are staged beside a cell's assets and are not published. @default none */
  beside?(coordinates: CoordinatesOf<C>): string[];
  /** Whether its cells can be built on a host of any arch. If false, a cell needs a host of its own arch. */
  readonly anyArch: boolean;
  /** The kinds that it depends on, each with a function that gives the id of the cell in question. */
  readonly dependsOn: Readonly<Partial<Record<KindName, (cell: C) => string>>>;
  /** The name of the output of `plan` that lists its cells to be built. @default its cells are never published */
  readonly matrix?: string;
  /** @default its cells pass nothing to other jobs */
  readonly handedOn?: HandedOn;
  /** What an asset must be booted on before it is published, and was not, of what it was booted on. */
  unproven(proven: readonly ProvenOn[]): ProvenOn[];
  /** A few lines that describe a finished asset to a reader. */
  summary(facts: FactsOf<C["kind"]>): string[];
  /** The time from the start of the VMM to the SSH login, ms, of its slowest boot. Undefined if there was no login. */
  loginMs(facts: FactsOf<C["kind"]>): number | undefined;
}
