import type { ReleaseStore, StoredRelease } from "../../stores/store.ts";
import type { CliRun } from "../shared/run.ts";

/** Removes from a draft what earlier runs have left on it. What the pipeline did not make stays. */
export async function emptyDraft(store: ReleaseStore, release: StoredRelease, run: CliRun): Promise<void> {
  const assets = await store.assets(release);
  for (const asset of assets) {
    if (asset.foreign) {
      run.progress.warn(`${asset.name} is not removed, because the pipeline did not make it`);
      continue;
    }
    run.progress.step(`remove ${asset.name}`);
    await store.discard(release, asset);
  }
}
