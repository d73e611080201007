import { freshnessOf, unaccepted } from "../plan/freshness.ts";
import type { Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, SUMS_ASSET } from "../schema/names.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";

/** The expected content of a release. */
export interface Expected {
  /** The facts of every staged asset. */
  readonly facts: readonly Facts[];
  /** A line for each asset that is not staged, or was made from other inputs. */
  readonly problems: readonly string[];
}

/**
 * Reads the facts of every published asset from the staging directory. With `partial`, reads those of every staged asset,
 * published or not, and a missing one is not a problem.
 * @throws PipelineError when facts are damaged
 */
export async function expectedAssets(
  cells: Cells,
  staged: Pick<StagingDirectory, "facts" | "directory">,
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
      else if (!partial) problems.push(`${asset}: not staged in ${staged.directory} (${command})`);
      if (found.state === "stale") {
        problems.push(`${asset}: made from other inputs than the tree's (${command})`);
      }
    }
  }
  if (facts.length === 0 && partial) problems.push(`nothing is staged in ${staged.directory}`);
  return { facts, problems };
}

/** A line for each asset that has overrides which the tree does not accept. */
export function notAsDeclared(cells: Cells, facts: readonly Facts[]): string[] {
  return facts.flatMap(({ asset, overrides }) => {
    const refused = unaccepted(cells, overrides);
    return refused.length > 0 ? [`${asset}: not as declared (${refused.join(", ")})`] : [];
  });
}

/** The names of the assets of every published cell. */
export const publishedAssets = ({ cells }: Pick<Cells, "cells">): string[] =>
  cells.flatMap(({ published, assets }) => (published ? assets : []));

/**
 * A line for each file on a release that no cell makes.
 * @param made the assets and inventories that cells make
 * @param present the names of all files on the release
 */
export function unexpectedFiles(made: readonly string[], present: Iterable<string>): string[] {
  const known = new Set([...made, MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, SUMS_ASSET]);
  return [...present].flatMap((name) =>
    known.has(name) ? [] : [`${name}: on the release, but no cell makes it`],
  );
}
