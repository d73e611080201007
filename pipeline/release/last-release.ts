import type { LastRelease } from "../plan/recorded.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import type { ReleaseStore } from "../stores/store.ts";

/**
 * The recorded digests, with what their release has now. A release that is gone, or still a draft, has nothing.
 * @throws PipelineError when the release store fails
 */
export async function lookAtRelease(digests: RecordedDigests, store: ReleaseStore): Promise<LastRelease> {
  const release = await store.find(digests.tag);
  const present = new Map<string, string>();
  if (release?.state === "published") {
    const expected = Object.entries(digests.assets).flatMap(([asset, { sbom }]) => [asset, sbom.asset]);
    for (const asset of await store.assets(release, expected)) {
      if (asset.complete && expected.includes(asset.name)) present.set(asset.name, await store.digest(asset));
    }
  }
  return { state: "recorded", digests, present };
}
