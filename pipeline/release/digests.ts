import { createHash } from "node:crypto";
import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { manifestOf, manifestText } from "../schema/manifest.ts";
import { type RecordedAsset, type RecordedDigests, recordedAsset } from "../schema/recorded-digests.ts";

/** The assets of a release. */
export interface Assets {
  /** The facts of those that were built for it. */
  readonly facts: readonly Facts[];
  /** What an earlier release has recorded of those that are carried over from it. @default none are */
  readonly carried?: RecordedDigests | undefined;
}

/** How many assets there are. */
export const countOf = ({ facts, carried }: Assets): number =>
  facts.length + Object.keys(carried?.assets ?? {}).length;

/** What is recorded of the assets of a release, sorted by their names. */
export function digestsOf({ tag, cells }: Cells, { facts, carried }: Assets): RecordedDigests {
  const built = facts.map((each) => {
    const madeFrom = cells.find(({ id }) => id === each.id)?.made_from;
    return [each.asset, recordedAsset(each, madeFrom)] as const;
  });
  const recorded = [...built, ...Object.entries(carriedAssets(tag, carried))];
  return {
    schema_version: 2,
    tag,
    assets: Object.fromEntries(recorded.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** The carried assets, each with the tag that it was built for. */
function carriedAssets(tag: string, carried: RecordedDigests | undefined): Record<string, RecordedAsset> {
  if (!carried || carried.tag === tag) return carried?.assets ?? {};
  const { tag: from, assets } = carried;
  return Object.fromEntries(Object.entries(assets).map(([name, asset]) => [name, { from, ...asset }]));
}

/**
 * The text of `manifest.json` on the release with these assets.
 * @param local whether to include images that are only built locally. @default false
 */
export const releaseManifest = (cells: Cells, assets: Assets, local = false): string =>
  manifestText(manifestOf(cells, digestsOf(cells, assets), local));

/** The sha256 of a text, lower-case hex. */
export const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");
