import { join } from "node:path";
import { releaseSigner } from "../../attestation/signer.ts";
import { type Carriage, checkCarried, type Source } from "../../release/carry.ts";
import type { Cells } from "../../schema/cells.ts";
import { DIGESTS_PATH, RecordedDigests } from "../../schema/recorded-digests.ts";
import type { ReleaseStore } from "../../stores/store.ts";
import { makeDirectory } from "../../util/directory.ts";
import type { Run } from "../../util/progress.ts";
import { readCommitted } from "../../util/record.ts";
import { declaredRoot } from "./authority.ts";
import { loadGitHub } from "./load-github.ts";
import { root } from "./tree.ts";

/** What the last published release has recorded; undefined if nothing is published. @throws PipelineError if it cannot be read */
export const lastDigests = async (): Promise<RecordedDigests | undefined> =>
  await readCommitted(join(root(), DIGESTS_PATH), RecordedDigests);

/** Makes the directory of downloaded artifacts. Where no cell was built, there are none, and the action makes no directory. */
export async function makeArtifacts(directory: string): Promise<void> {
  await makeDirectory(directory, "name a directory of this job");
}

/** The recorded release as a source of assets, whose attestations any run of the release workflow on `main` may have signed. */
export async function carrySource(
  { cells, store }: { readonly cells: Cells; readonly store: ReleaseStore },
  digests: RecordedDigests,
  run: Run,
): Promise<Source> {
  const { provenanceOf, openGitHub } = await loadGitHub();
  const github = openGitHub(cells, run, true);
  const authority = { signer: releaseSigner(cells.repository), root: await declaredRoot(cells) };
  return { digests, store, authority, attestationsOf: (sha256) => provenanceOf(github, sha256) };
}

/**
 * Checks what is carried over, before anything is changed. Undefined if nothing is, or if an earlier run has done it and
 * recorded this release. @throws PipelineError if it cannot be carried over
 */
export async function checkedCarriage(
  target: { readonly cells: Cells; readonly store: ReleaseStore },
  carried: RecordedDigests | undefined,
  run: Run,
): Promise<Carriage | undefined> {
  if (!carried || carried.tag === target.cells.tag) return undefined;
  return await checkCarried(await carrySource(target, carried, run), run);
}
