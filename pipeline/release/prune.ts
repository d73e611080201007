import type { ReleaseStore, StoredRelease } from "../stores/store.ts";
import type { Run } from "../util/progress.ts";
import { compareTags, familyOf, hasVersion } from "./tag-order.ts";

export interface PruneOptions {
  readonly store: ReleaseStore;
  /** How many of the newest published releases are kept. */
  readonly keep: number;
  /** The declared tag. It and newer ones are kept. */
  readonly tag: string;
  /** The tag of the committed manifest. It is always kept. */
  readonly inUse: string;
  /** Only list what would be removed. */
  readonly dryRun: boolean;
}

/**
 * Removes old drafts and superseded releases of images. A tag without a version has no age, and stays. Returns those that
 * it removed (or would remove), newest first.
 */
export async function prune(options: PruneOptions, run: Run): Promise<StoredRelease[]> {
  const { store, keep, tag, inUse, dryRun } = options;
  run.progress.step(`list the releases of ${store.name}`);
  const all = (await store.list())
    .filter((release) => familyOf(release.tag) === familyOf(tag) && hasVersion(release.tag))
    .sort((a, b) => compareTags(b.tag, a.tag));
  const published = all.filter(({ state }) => state === "published" || !store.isPublic);
  const kept = new Set(published.slice(0, keep));
  const isOld = (other: string) => other !== inUse && hasVersion(tag) && compareTags(other, tag) < 0;
  const removed = all.filter((release) => !kept.has(release) && isOld(release.tag));
  for (const release of dryRun ? [] : removed) {
    run.progress.step(`remove ${release.tag} (${release.state})`);
    await store.remove(release);
  }
  return removed;
}
