import type { Cell } from "../cells.ts";
import type { Facts } from "../facts.ts";

export type KindName = Cell["kind"];
export type CellOf<K extends KindName> = Extract<Cell, { kind: K }>;
type FactsAmong<F, K> = F extends Facts ? (K extends F["kind"] ? F : never) : never;
/** The facts that a kind's assets have. */
type FactsOf<K extends KindName> = FactsAmong<Facts, K>;

/** The fields of a cell that its id and its assets' names are made from. */
export type CoordinatesOf<C> = C extends Cell
  ? Pick<C, Extract<keyof C, "kind" | "preset" | "arch" | "flavor">>
  : never;
/** What a cell builds: `{ kind: "preset", preset, arch, flavor }`, `{ kind: "kernel", arch }`, … */
export type Coordinates = CoordinatesOf<Cell>;

/** What a workflow's job hands to the jobs of the cells that lean on its cell. */
export interface HandedOn {
  /** As the steps of workflows name it, in the job that makes it and in those that take it. */
  readonly made: string;
  readonly taken: string;
  /** Where it is, from the project's root. */
  readonly directory: string;
  /** What the command `cell` is told to use the directory for this. @default it does so by itself */
  readonly flags?: string;
  /** Whether workflows keep it from one run to the next, by the cell's inputs. */
  readonly cached: boolean;
}

/** What is known of a kind of cell without building one. */
export interface Kind<C extends Cell = Cell> {
  /** How its ids are written: `base-<arch>-<flavor>`. */
  readonly idForm: string;
  id(coordinates: CoordinatesOf<C>): string;
  /** The names of a cell's files on the release. */
  assets(coordinates: CoordinatesOf<C>, defaultFlavor: string): string[];
  /** Whether its cells are built on machines of any arch, and not on their own alone. */
  readonly anyArch: boolean;
  /** The kinds that it leans on, each with the id of the cell that is meant. */
  readonly leansOn: Readonly<Partial<Record<KindName, (cell: C) => string>>>;
  /** What the list of its cells to be built is called among the outputs of `plan`. */
  readonly matrix: string;
  /** @default its cells hand nothing on */
  readonly handedOn?: HandedOn;
  /** Lines for a reader about a finished asset. */
  summary(facts: FactsOf<C["kind"]>): string[];
  /** From the start of the VMM to an SSH login, ms: the slowest of its boots. Undefined where there was no login. */
  loginMs(facts: FactsOf<C["kind"]>): number | undefined;
}
