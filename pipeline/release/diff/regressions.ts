import type { Regressions } from "../../schema/cells.ts";
import { humanBytes } from "../../util/human-bytes.ts";
import { seconds } from "../../util/seconds.ts";
import { assetLabel } from "./cell-names.ts";
import type { AssetContents, ReleaseContents } from "./contents.ts";
import { isComparable } from "./diff.ts";

/** An asset as it was measured. */
export interface Measured extends Pick<AssetContents, "name" | "size" | "boot"> {
  readonly cell: string;
}

/** An asset that is larger, or boots more slowly, than the declaration allows. */
export interface Regression {
  readonly cell: string;
  readonly asset: string;
  readonly what: "size" | "boot";
  /** Bytes on the wire, or milliseconds from the start of QEMU to the SSH login. */
  readonly from: number;
  readonly to: number;
  /** How much more that is, and how much more is allowed, percent. */
  readonly percent: number;
  readonly limit: number;
  /** The declared reason why it is accepted; null if it is not. */
  readonly accepted: string | null;
}

/** The assets of a release as they were measured. */
export const measuredIn = ({ cells }: ReleaseContents): Measured[] =>
  cells.flatMap(({ id: cell, assets }) => assets.map(({ name, size, boot }) => ({ cell, name, size, boot })));

/**
 * The regressions of a release against an earlier one: over the declared limits. What the earlier one does not have, or has not
 * recorded, is none.
 * @param limits what `images.ts` declares. @default nothing is a regression
 * @param tag the tag of the later release, for which regressions are accepted
 */
export function regressionsOf(
  before: readonly Measured[],
  after: readonly Measured[],
  limits: Regressions | undefined,
  tag: string,
): Regression[] {
  if (!limits) return [];
  const { size_percent: size, boot_percent: boot, accepts } = limits;
  return after.flatMap((now) => {
    const then = before.find(({ name }) => name === now.name);
    if (!then) return [];
    const over = (what: Regression["what"], limit: number | undefined, from: number, to: number) => {
      const percent = from > 0 ? (100 * (to - from)) / from : 0;
      if (limit === undefined || percent <= limit) return [];
      const accepted = accepts.find(
        (each) => each.cell === now.cell && each.what === what && each.tag === tag,
      );
      const { cell, name: asset } = now;
      return [{ cell, asset, what, from, to, percent, limit, accepted: accepted?.reason ?? null }];
    };
    return [
      ...over("size", size, then.size, now.size),
      ...(isComparable(then, now) ? over("boot", boot, then.boot!.ms, now.boot!.ms) : []),
    ];
  });
}

/** Those of regressions that the declaration does not accept. */
export const unacceptedAmong = (regressions: readonly Regression[]): Regression[] =>
  regressions.filter(({ accepted }) => accepted === null);

/** `codex-amd64-ubuntu: size 200 MB -> 230 MB (+15.0 %, limit 10 %)`. */
export function regressionText({ cell, asset, what, from, to, percent, limit }: Regression): string {
  const shown = what === "size" ? humanBytes : seconds;
  const change = `${what} ${shown(from)} -> ${shown(to)} (+${percent.toFixed(1)} %, limit ${limit} %)`;
  const label = assetLabel(cell, asset);
  return `${cell}: ${label === cell ? "" : `${label} `}${change}`;
}
