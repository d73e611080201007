import { createHash } from "node:crypto";
import type { Cell, Cells } from "../schema/cells.ts";
import { DEFAULT_LEVEL } from "../schema/defaults.ts";
import type { Facts } from "../schema/facts.ts";
import { isFactsOf } from "../schema/kinds/index.ts";
import { PipelineError } from "../util/error.ts";
import { INITRAMFS_VARIABLES } from "./initramfs.ts";

/** A root file system tarball that the user gives (`--rootfs`). */
export interface RootfsOverride {
  /** Its flavor; undefined for every flavor that has no override of its own. */
  readonly flavor: string | undefined;
  /** A path or an address. */
  readonly from: string;
  /** The expected sha256. @default that of the flavor's declared tarball */
  readonly sha256: string | undefined;
}

/** The user's options that change the bytes of an image. */
export interface Overridable {
  /** The zstd level, 1 to 19. */
  readonly level: number;
  /** The root file systems that bases are made from, instead of the declared ones. @default none */
  readonly rootfs?: readonly RootfsOverride[] | undefined;
  /** `SOURCE_DATE_EPOCH`, seconds since 1970. @default the declared one */
  readonly epoch?: number | undefined;
}

/** The override for packages that did not come from the archive of the declared instant. */
export const APT_LIVE = "apt=live";

/** The override for a kernel that was not booted with the base of a flavor, because the base could not be fetched. */
export const bootsNotReached = (flavor: string) => `boots=${flavor}: not reached`;

/** The override for a kernel that was booted with a base made from the user's root file system. */
export const bootsOther = (flavor: string, { sha256, from }: RootfsOverride) =>
  `boots=${flavor}: rootfs=${sha256 ?? from}`;

/** The overrides of an asset that was not booted as declared. */
export const unproven = ({ overrides }: Facts): string[] =>
  overrides.filter((override) => override.startsWith("boots="));

/** The user's root file system for a flavor; undefined if the user gives none. */
export const rootfsFor = (
  { rootfs = [] }: Pick<Overridable, "rootfs">,
  flavor: string,
): RootfsOverride | undefined =>
  rootfs.find((each) => each.flavor === flavor) ?? rootfs.find((each) => each.flavor === undefined);

/** The overrides that the user's options mean for the cells of a flavor; sorted. */
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

/** The inputs hash of a cell; with overrides, a hash over the inputs and the overrides. */
export function inputsWith(cell: Cell, overrides: readonly string[]): string {
  if (overrides.length === 0) return cell.inputs;
  return createHash("sha256")
    .update(JSON.stringify([cell.inputs, overrides]))
    .digest("hex");
}

/** The overrides that the tree does not accept. */
export const unaccepted = ({ accepts }: Pick<Cells, "accepts">, overrides: readonly string[]): string[] =>
  overrides.filter((override) => !accepts.includes(override));

/** @throws PipelineError for overrides that the tree does not accept, with the option `asDeclared` */
export function checkDeclared(
  { options, cells }: { options: { readonly asDeclared?: boolean | undefined }; cells: Cells },
  overrides: readonly string[],
): void {
  const refused = options.asDeclared ? unaccepted(cells, overrides) : [];
  if (refused.length > 0) throw notDeclared(refused);
}

export const notDeclared = (overrides: readonly string[]) =>
  new PipelineError(`not as declared: ${overrides.join(", ")}`, {
    code: "not-as-declared",
    fix: "run it again where the declared sources can be reached, or add this to `accepts` of the Release in images.ts",
  });

/**
 * A staged asset, compared with what a build of its cell would make now:
 * - `missing`: the asset is not staged
 * - `stale`: it was made from other inputs than the cell's present ones, or its facts are those of another cell
 * - `other-options`: it was made from these inputs, with other options (level, root file system, epoch) than requested now
 * - `undeclared`: it was made with the requested options, but has overrides that the tree does not accept
 * - `fresh`: it was made as the tree declares or accepts
 */
export type Freshness =
  | { readonly state: "missing" }
  | { readonly state: "stale" | "other-options" | "fresh"; readonly facts: Facts }
  /** `refused` has the overrides that are not accepted. */
  | { readonly state: "undeclared"; readonly facts: Facts; readonly refused: readonly string[] };

/** From the least to the most usable state. */
const STATES: readonly Freshness["state"][] = ["missing", "stale", "other-options", "undeclared", "fresh"];

/** The overrides that come from the user's options and variables. */
const ASKED = new RegExp(`^(level|rootfs|SOURCE_DATE_EPOCH|program|${INITRAMFS_VARIABLES.join("|")})=`);

/**
 * Whether a staged asset is fresh. Overrides that the user did not choose (a source could not be reached) are not compared
 * with `asked`.
 * @param facts the facts of the staged asset; undefined if it is not staged
 * @param asked the overrides of the user's present options, sorted (`overridesOf`). @default those of the staged asset
 */
export function freshnessOf(
  cells: Pick<Cells, "accepts">,
  cell: Cell,
  facts: Facts | undefined,
  asked?: readonly string[],
): Freshness {
  if (!facts) return { state: "missing" };
  if (!isFactsOf(cell, facts) || facts.inputs !== inputsWith(cell, facts.overrides))
    return { state: "stale", facts };
  const then = facts.overrides.filter((override) => ASKED.test(override));
  if (asked && then.join("\n") !== asked.join("\n")) return { state: "other-options", facts };
  const refused = unaccepted(cells, facts.overrides);
  return refused.length > 0 ? { state: "undeclared", facts, refused } : { state: "fresh", facts };
}

/** The freshness of a cell: that of its least usable asset. */
export const leastFresh = (assets: readonly Freshness[]): Freshness =>
  assets.reduce((least, each) => (STATES.indexOf(each.state) < STATES.indexOf(least.state) ? each : least));
