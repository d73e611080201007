import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { countOf, releaseManifest } from "../../release/digests.ts";
import { handedFacts } from "../../release/handed-facts.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { lastDigests, makeArtifacts } from "./carry-source.ts";
import { refuse } from "./refuse.ts";
import { root } from "./tree.ts";

interface Flags {
  /** The directory of the artifacts with facts. */
  readonly facts: string;
  readonly output: string;
  /** Whether assets are carried over from the last release. @default they are not */
  readonly carry?: true;
}

/** Writes the manifest of the release that a run makes, from the facts that its jobs have left in a directory. */
export async function writeReleaseManifest({ facts: directory, output, carry }: Flags): Promise<void> {
  const cells = readCells(root());
  if (carry) await makeArtifacts(resolve(directory));
  const last = carry && (await lastDigests());
  const assets = await handedFacts(cells, resolve(directory), last);
  if (assets.problems.length > 0) {
    refuse(`${cells.tag} has no manifest yet`, assets.problems);
    return;
  }
  await writeWhole(resolve(output), (partial) => writeFile(partial, releaseManifest(cells, assets)));
  process.stderr.write(`${cells.tag}: ${output} has the manifest of ${countOf(assets)} assets\n`);
}
