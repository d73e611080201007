import { freshnessOf, notDeclared } from "../plan/freshness.ts";
import type { Cell, Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import type { StagingDirectory } from "../stores/directory/staging.ts";
import type { ReleaseStore, Sent, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";

/** The source and the destination of an upload. */
export interface Upload {
  readonly cells: Cells;
  readonly staged: StagingDirectory;
  readonly store: ReleaseStore;
  readonly release: StoredRelease;
}

/** Uploads the staged assets of a cell, one after the other. @throws PipelineError when one is missing, stale or not as declared */
export async function uploadCell(
  upload: Upload,
  cell: Cell,
  run: Run,
): Promise<{ facts: Facts; sent: Sent }[]> {
  const { cells, staged, store, release } = upload;
  if (store.isPublic && !cell.published) {
    throw new PipelineError(`${cell.id} is only built locally (published: false in images.ts)`);
  }
  const facts = [];
  for (const asset of cell.assets) {
    const found = freshnessOf(cells, cell, await staged.facts(asset));
    if (found.state === "missing" || found.state === "stale") {
      throw new PipelineError(
        found.state === "stale"
          ? `${asset} in ${staged.directory} was made from other inputs than the tree's`
          : `${asset} is not staged in ${staged.directory}`,
        {
          code: found.state === "stale" ? "stale-inputs" : "not-staged",
          fix: `run \`npx smolvm-images cell ${cell.id}\` first`,
        },
      );
    }
    if (found.state === "undeclared" && store.isPublic) throw notDeclared(found.refused);
    facts.push(found.facts);
  }
  const done = [];
  for (const each of facts) {
    run.progress.step(`upload ${each.asset} to ${release.tag} on ${store.name}`);
    done.push({ facts: each, sent: await store.sendStaged(release, staged, each) });
  }
  return done;
}
