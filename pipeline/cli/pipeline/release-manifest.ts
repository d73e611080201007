import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { releaseManifest } from "../../release/digests.ts";
import { handedFacts } from "../../release/handed-facts.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { refuse } from "./refuse.ts";
import { root } from "./tree.ts";

interface Flags {
  /** The directory of the artifacts with facts. */
  readonly facts: string;
  readonly output: string;
}

/** Writes the manifest of the release that a run makes, from the facts that its jobs have left in a directory. */
export async function writeReleaseManifest({ facts: directory, output }: Flags): Promise<void> {
  const cells = readCells(root());
  const { facts, problems } = await handedFacts(cells, resolve(directory));
  if (problems.length > 0) {
    refuse(`${cells.tag} has no manifest yet`, problems);
    return;
  }
  await writeWhole(resolve(output), (partial) => writeFile(partial, releaseManifest(cells, facts)));
  process.stderr.write(`${cells.tag}: ${output} has the manifest of ${facts.length} assets\n`);
}
