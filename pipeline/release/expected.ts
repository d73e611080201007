import { freshnessOf, unaccepted } from "../plan/freshness.ts";
import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";

/** What a release must have: the facts of every asset, and what is wrong with those that are staged. */
export interface Expected {
  readonly facts: readonly Facts[];
  /** A line each: what is missing here, of other inputs, or not as declared. */
  readonly problems: readonly string[];
}

/**
 * Looks up every published asset where cells are staged; with `partial` those that are, of whatever cell.
 * @throws PipelineError at facts that are damaged
 */
export async function expectedAssets(
  cells: Cells,
  staged: StagingDirectory,
  partial = false,
): Promise<Expected> {
  const facts: Facts[] = [];
  const problems: string[] = [];
  for (const cell of cells.cells) {
    if (!cell.published && !partial) continue;
    for (const asset of cell.assets) {
      const found = freshnessOf(cells, cell, await staged.facts(asset));
      const command = `\`npx smolvm-images cell ${cell.id}\``;
      if (found.state !== "missing") facts.push(found.facts);
      else if (!partial) problems.push(`${asset}: its facts are not in ${staged.directory} (${command})`);
      if (found.state === "stale") {
        problems.push(`${asset}: was made from other inputs than the tree's (${command})`);
      }
    }
  }
  if (facts.length === 0 && partial) problems.push(`nothing is staged in ${staged.directory}`);
  return { facts, problems };
}

/** A line for each asset that was not made as declared, and that the tree does not accept so. */
export function notAsDeclared(cells: Cells, facts: readonly Facts[]): string[] {
  return facts.flatMap(({ asset, overrides }) => {
    const refused = unaccepted(cells, overrides);
    return refused.length > 0 ? [`${asset}: not as declared (${refused.join(", ")})`] : [];
  });
}
