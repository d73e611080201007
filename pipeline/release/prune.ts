import { coerce, compare } from "semver";
import type { ReleaseStore, StoredRelease } from "../stores/store.ts";
import type { Run } from "../util/progress.ts";

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

/** Removes old drafts and superseded releases of images. Returns those that it removed (or would remove), newest first. */
export async function prune(options: PruneOptions, run: Run): Promise<StoredRelease[]> {
  const { store, keep, tag, inUse, dryRun } = options;
  run.progress.step(`list the releases of ${store.name}`);
  const all = (await store.list())
    .filter((release) => familyOf(release.tag) === familyOf(tag))
    .sort((a, b) => compare(version(b.tag), version(a.tag)));
  const published = all.filter(({ state }) => state === "published" || !store.isPublic);
  const kept = new Set(published.slice(0, keep));
  const isOld = (other: string) => other !== inUse && compare(version(other), version(tag)) < 0;
  const removed = all.filter((release) => !kept.has(release) && isOld(release.tag));
  for (const release of dryRun ? [] : removed) {
    run.progress.step(`remove ${release.tag} (${release.state})`);
    await store.remove(release);
  }
  return removed;
}

/** `images-v0.0.15` -> `images-v`. Other releases of the repository have other prefixes; they are never removed. */
const familyOf = (tag: string) => tag.replace(/\d.*$/, "");

const version = (tag: string) => coerce(tag) ?? "0.0.0";
