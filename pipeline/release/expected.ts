import { freshnessOf, unaccepted } from "../plan/freshness.ts";
import { whyNotRecorded } from "../plan/recorded.ts";
import type { Cell, Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, REPORT_ASSET, SUMS_ASSET } from "../schema/names.ts";
import type { RecordedAsset, RecordedDigests } from "../schema/recorded-digests.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";

/** The expected content of a release. */
export interface Expected {
  /** The facts of every staged asset. */
  readonly facts: readonly Facts[];
  /** What an earlier release has recorded of the assets that are carried over from it. @default none are */
  readonly carried?: RecordedDigests | undefined;
  /** A line for each asset that is not staged, or was made from other inputs. */
  readonly problems: readonly string[];
}

/**
 * Reads the facts of every published asset from the staging directory. With `partial`, reads those of every staged asset,
 * published or not, and a missing one is not a problem.
 * @param last what was recorded last. What is not staged, and was made from the same inputs there, is carried over from
 * that release; if it is this release, an earlier run has carried it over.
 * @default nothing is carried over
 * @throws PipelineError when facts are damaged
 */
export async function expectedAssets(
  cells: Cells,
  staged: Pick<StagingDirectory, "facts" | "directory">,
  partial = false,
  last?: RecordedDigests,
): Promise<Expected> {
  const facts: Facts[] = [];
  const problems: string[] = [];
  const carried: Record<string, RecordedAsset> = {};
  for (const cell of cells.cells) {
    if (!cell.published && !partial) continue;
    const made = await Promise.all(cell.assets.map((asset) => staged.facts(asset)));
    if (last && made.every((each) => each === undefined) && isRecorded(cells, cell, last)) {
      for (const asset of cell.assets) carried[asset] = last.assets[asset]!;
      continue;
    }
    for (const [index, asset] of cell.assets.entries()) {
      const found = freshnessOf(cells, cell, made[index]);
      const command = `\`npx smolvm-images cell ${cell.id}\``;
      if (found.state !== "missing") facts.push(found.facts);
      else if (!partial) problems.push(`${asset}: not staged in ${staged.directory} (${command})`);
      if (found.state === "stale") {
        problems.push(`${asset}: made from other inputs than the tree's (${command})`);
      }
    }
  }
  if (facts.length === 0 && partial) problems.push(`nothing is staged in ${staged.directory}`);
  const some = last && Object.keys(carried).length > 0;
  return { facts, carried: some ? { ...last, assets: carried } : undefined, problems };
}

/** Whether the assets of a cell are recorded as the tree declares them. */
const isRecorded = (cells: Cells, cell: Cell, digests: RecordedDigests): boolean =>
  whyNotRecorded(cells, cell, { state: "recorded", digests }) === undefined;

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
  const known = new Set([...made, MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, SUMS_ASSET, REPORT_ASSET]);
  return [...present].flatMap((name) =>
    known.has(name) ? [] : [`${name}: on the release, but no cell makes it`],
  );
}
