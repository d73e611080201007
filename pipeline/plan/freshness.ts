import { createHash } from "node:crypto";
import type { Cell, Cells } from "../schema/cells.ts";
import { DEFAULT_LEVEL } from "../schema/defaults.ts";
import type { Facts } from "../schema/facts.ts";
import { PipelineError } from "../util/error.ts";

/** A root file system tarball of the user's own. */
export interface RootfsOverride {
  /** The flavor that it is for; undefined: all that have none of their own. */
  readonly flavor: string | undefined;
  /** A path or an address. */
  readonly from: string;
  /** What it must hash to. @default what the flavor's declared tarball must */
  readonly sha256: string | undefined;
}

/** What a user may set that changes the bytes of an image. */
export interface Overridable {
  /** zstd's, 1 to 19. */
  readonly level: number;
  /** Root file systems that bases are made from, in place of what they declare. @default none */
  readonly rootfs?: readonly RootfsOverride[] | undefined;
  /** Replaces the cells' own (`SOURCE_DATE_EPOCH`), seconds since 1970. */
  readonly epoch?: number | undefined;
}

/** What is not as declared where packages did not come from the archive of the declared instant. */
export const APT_LIVE = "apt=live";

/** What is not as declared where the base of a flavor, which a kernel is to boot, could not be had. */
export const bootsNotReached = (flavor: string) => `boots=${flavor}: not reached`;

/** What is not as declared where a kernel was booted with a base from a root file system of the user's. */
export const bootsOther = (flavor: string, { sha256, from }: RootfsOverride) =>
  `boots=${flavor}: rootfs=${sha256 ?? from}`;

/** What has not been proven of an asset with what it is declared to be proven with. */
export const unproven = ({ overrides }: Facts): string[] =>
  overrides.filter((override) => override.startsWith("boots="));

/** The root file system that the user gives for a flavor; undefined where that is as declared. */
export const rootfsFor = (
  { rootfs = [] }: Pick<Overridable, "rootfs">,
  flavor: string,
): RootfsOverride | undefined =>
  rootfs.find((each) => each.flavor === flavor) ?? rootfs.find((each) => each.flavor === undefined);

/** What the user has asked for that differs from what a flavor's cells declare, and changes the bytes; sorted. */
export function overridesOf(cells: Cells, options: Overridable, flavor: string): string[] {
  const rootfs = rootfsFor(options, flavor);
  return [
    ...(options.level === DEFAULT_LEVEL ? [] : [`level=${options.level}`]),
    ...(rootfs ? [`rootfs=${rootfs.sha256 ?? rootfs.from}`] : []),
    ...(options.epoch === undefined || options.epoch === cells.source_date_epoch
      ? []
      : [`SOURCE_DATE_EPOCH=${options.epoch}`]),
  ];
}

/** A cell's inputs hash, or another one when something was overridden. */
export function inputsWith(cell: Cell, overrides: readonly string[]): string {
  if (overrides.length === 0) return cell.inputs;
  return createHash("sha256")
    .update(JSON.stringify([cell.inputs, overrides]))
    .digest("hex");
}

/** What was overridden, beside what the tree accepts. */
export const unaccepted = ({ accepts }: Pick<Cells, "accepts">, overrides: readonly string[]): string[] =>
  overrides.filter((override) => !accepts.includes(override));

/** @throws PipelineError when something was overridden, and that was not to be */
export function checkDeclared(
  { options, cells }: { options: { readonly asDeclared?: boolean | undefined }; cells: Cells },
  overrides: readonly string[],
): void {
  const refused = options.asDeclared ? unaccepted(cells, overrides) : [];
  if (refused.length > 0) throw notDeclared(refused);
}

export const notDeclared = (overrides: readonly string[]) =>
  new PipelineError(
    `not as declared: ${overrides.join(", ")}; what is published is made from what is declared, so run it again ` +
      "where that can be had, or let the Release in images.ts accept it",
    { code: "not-as-declared" },
  );

/**
 * What is staged of an asset, compared with what its cell would be made into now:
 * - `missing`: nothing is staged
 * - `stale`: made from other inputs than the cell's present ones
 * - `other-options`: made from these inputs, with other options (level, root file system, epoch) than are asked for now
 * - `undeclared`: as it is asked for, but not as the tree declares or accepts it
 * - `fresh`: as the tree declares or accepts it
 */
export type Freshness =
  | { readonly state: "missing" }
  | { readonly state: "stale" | "other-options" | "fresh"; readonly facts: Facts }
  /** `refused` is what was overridden and is not accepted. */
  | { readonly state: "undeclared"; readonly facts: Facts; readonly refused: readonly string[] };

/** From what is of no use to what is of most. */
const STATES: readonly Freshness["state"][] = ["missing", "stale", "other-options", "undeclared", "fresh"];

/**
 * How fresh an asset is. What the network has overridden (a source that cannot be reached) counts as it was then.
 * @param facts those that are staged of the asset, if any
 * @param asked what the user overrides now, sorted (`overridesOf`). @default whatever was overridden then
 */
export function freshnessOf(
  cells: Pick<Cells, "accepts">,
  cell: Cell,
  facts: Facts | undefined,
  asked?: readonly string[],
): Freshness {
  if (!facts) return { state: "missing" };
  if (facts.inputs !== inputsWith(cell, facts.overrides)) return { state: "stale", facts };
  const then = facts.overrides.filter((override) => /^(level|rootfs|SOURCE_DATE_EPOCH)=/.test(override));
  if (asked && then.join("\n") !== asked.join("\n")) return { state: "other-options", facts };
  const refused = unaccepted(cells, facts.overrides);
  return refused.length > 0 ? { state: "undeclared", facts, refused } : { state: "fresh", facts };
}

/** How fresh a cell is: as its asset that is of least use. */
export const leastFresh = (assets: readonly Freshness[]): Freshness =>
  assets.reduce((least, each) => (STATES.indexOf(each.state) < STATES.indexOf(least.state) ? each : least));
