import { createHash } from "node:crypto";
import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { manifestOf, manifestText } from "../schema/manifest.ts";
import { type RecordedDigests, recordedAsset } from "../schema/recorded-digests.ts";

/** What is recorded of the assets of a release, sorted by their names. */
export function digestsOf({ tag, cells }: Cells, facts: readonly Facts[]): RecordedDigests {
  const recorded = facts.map((each) => {
    const madeFrom = cells.find(({ id }) => id === each.id)?.made_from;
    return [each.asset, recordedAsset(each, madeFrom)] as const;
  });
  return {
    schema_version: 2,
    tag,
    assets: Object.fromEntries(recorded.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/**
 * The text of `manifest.json` on the release with these assets.
 * @param local whether to include images that are only built locally. @default false
 */
export const releaseManifest = (cells: Cells, facts: readonly Facts[], local = false): string =>
  manifestText(manifestOf(cells, digestsOf(cells, facts), local));

/** The sha256 of a text, lower-case hex. */
export const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");
