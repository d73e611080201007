import { attestationsOf, releaseDifferences } from "../attestation/release.ts";
import type { TrustedRoot } from "../attestation/trusted-root.ts";
import type { ReleaseStore, StoredRelease } from "../stores/store.ts";
import { PipelineError } from "../util/error.ts";

/** What is checked of a release's immutability. */
export interface ImmutabilityOptions {
  /** Whether a release that can still be changed is a problem, and not only a warning. @default false */
  readonly requireImmutable?: boolean;
  /** GitHub's own authorities. @default none: the signature of its attestation is not verified, and a warning says so */
  readonly root?: TrustedRoot | undefined;
}

/** What was found; without problems and warnings the release is immutable, as its signed attestation says. */
export interface Immutability {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Checks that a published release cannot be changed any more, and that GitHub's attestation of it names its tag, what the
 * tag points to, and its assets.
 * @param assets the sha256 of the assets that the release has, by name
 * @throws PipelineError when the release store fails
 */
export async function checkImmutable(
  store: ReleaseStore,
  release: StoredRelease,
  assets: ReadonlyMap<string, string>,
  { requireImmutable = false, root }: ImmutabilityOptions,
): Promise<Immutability> {
  const { tag } = release;
  if (!release.immutable) {
    const changeable =
      `${tag}: not immutable, so its assets and its tag can still be replaced; switch on "Enable release immutability" ` +
      "in the repository's settings before the next release";
    return requireImmutable
      ? { problems: [changeable], warnings: [] }
      : { problems: [], warnings: [changeable] };
  }
  const found = await store.attestations(release);
  if (!found) return { problems: [], warnings: [] };
  const { repository, object, bundles } = found;
  const problem = (text: string) => ({ problems: [`${tag}: ${text}`], warnings: [] });
  if (bundles.length === 0) {
    return problem(`immutable, but GitHub has no attestation of it (for ${object}, where its tag is)`);
  }
  try {
    const ours = attestationsOf(bundles, tag);
    if (ours.length !== 1) {
      return problem(`GitHub has ${ours.length} attestations of this tag for ${object}, expected one`);
    }
    const differences = releaseDifferences(ours[0]!, { repository, tag, object, assets }, root);
    return {
      problems: differences.map((each) => `${tag}: GitHub's attestation differs: ${each}`),
      warnings: root ? [] : [`${tag}: ${NOT_VERIFIED}`],
    };
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return problem(error.problem);
  }
}

const NOT_VERIFIED =
  "the signature of GitHub's attestation was not verified, only what it says; `gh attestation trusted-root > " +
  "trusted_root.jsonl` prints GitHub's keys for --trusted-root trusted_root.jsonl";
