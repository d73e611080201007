import { unaccepted } from "../../plan/freshness.ts";
import type { Cells } from "../../schema/cells.ts";
import type { RecordedDigests } from "../../schema/recorded-digests.ts";
import { type Assets, digestsOf } from "../digests.ts";
import { type Measured, regressionsOf, regressionText, unacceptedAmong } from "./regressions.ts";

/**
 * A line for each regression of assets against the last release that the declaration does not accept. Assets that are not as
 * declared, such as those of another zstd level, are not compared.
 * @param before what the last release has recorded; undefined if nothing is published
 */
export function regressed(cells: Cells, assets: Assets, before: RecordedDigests | undefined): string[] {
  const { tag, regressions: limits } = cells;
  // A run that is completed does not compare a release with itself.
  if (!before || before.tag === tag) return [];
  const declared = assets.facts.filter(({ overrides }) => unaccepted(cells, overrides).length === 0);
  const now = measured(cells, digestsOf(cells, { facts: declared, carried: assets.carried }));
  const found = unacceptedAmong(regressionsOf(measured(cells, before), now, limits, tag));
  return found.map((regression) => {
    const { cell, what } = regression;
    const entry = `{ cell: "${cell}", what: "${what}", tag: "${tag}", reason: "…" }`;
    return `${regressionText(regression)} since ${before.tag}: make it better, or add ${entry} to regressions.accepts in images.ts`;
  });
}

function measured({ cells }: Cells, { assets }: RecordedDigests): Measured[] {
  return Object.entries(assets).map(([name, { size, boot }]) => ({
    ...{ name, size, boot },
    cell: cells.find((cell) => cell.assets.includes(name))?.id ?? name,
  }));
}
