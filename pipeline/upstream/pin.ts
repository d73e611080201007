import type { ReadFile } from "../constructs/app.ts";
import type { Release } from "../constructs/release.ts";
import type { Run } from "../util/progress.ts";
import type { SupportedProduct } from "./support.ts";
import type { Upstream } from "./upstream.ts";

/** A project, as pins are read from it and written to it. */
export interface Declared {
  readonly release: Release;
  /** The path of the declaration, relative to the root. */
  readonly declaration: string;
  /** Reads the project's own files. Recipe files that come from this package are not among them. */
  readonly own: ReadFile;
}

/** How far a pin is behind. A number is undefined where the source does not say it. */
export interface Behind {
  readonly versions?: number | undefined;
  readonly days?: number | undefined;
}

/** The new texts of files, by path, that make a pin the newest one. */
export type Texts = ReadonlyMap<string, string>;

/**
 * How a pin is written.
 * @throws PipelineError when the pinned value is not found again
 */
export type Write = (declared: Declared, run: Run) => Texts | Promise<Texts>;

/** What the source of a pin answers. */
export interface Newest {
  /** The newest version, as it is shown. */
  readonly version: string;
  /** @default the pinned one is the newest */
  readonly behind?: Behind | undefined;
  /** Set if the source has other bytes than were pinned, under the same version: what it has now. */
  readonly changed?: string | undefined;
  /** What a reader should know besides. */
  readonly note?: string | undefined;
  /** How to write it; undefined where only a person can decide to move. */
  readonly write?: Write | undefined;
}

/** Something that the tree fixes, and that has a source that may have a newer one. */
export interface Pin {
  /** The kind of source, such as `npm`. */
  readonly kind: string;
  /** Unique within the project: `codex`, `ubuntu image`. */
  readonly name: string;
  /** The pinned version, as it is shown. */
  readonly pinned: string;
  /** The range that the declaration holds it in, and why. */
  readonly hold?: { readonly range: string; readonly reason: string } | undefined;
  /** The product and release whose support ends. */
  readonly supported?: SupportedProduct | undefined;
  /**
   * Asks its source.
   * @throws PipelineError when the source cannot be reached, or its answer cannot be used
   */
  readonly newest: (upstream: Upstream) => Promise<Newest>;
}

/** One kind of source: the pins of a project that have it. Each knows its newest version and how to write it. */
export type Resolver = (declared: Declared) => readonly Pin[];
