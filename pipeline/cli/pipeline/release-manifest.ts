import { resolve } from "node:path";
import { releaseManifest } from "../../release/digests.ts";
import { handedFacts } from "../../release/handed-facts.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { refuse } from "./refuse.ts";
import { root } from "./tree.ts";

/** Prints the manifest of the release that a run makes, from the facts that its jobs have left in a directory. */
export async function printReleaseManifest({ facts: directory }: { facts: string }): Promise<void> {
  const cells = readCells(root());
  const { facts, problems } = await handedFacts(cells, resolve(directory));
  if (problems.length > 0) {
    refuse(`${cells.tag} has no manifest yet`, problems);
    return;
  }
  process.stdout.write(releaseManifest(cells, facts));
  process.stderr.write(`${cells.tag}: the manifest of ${facts.length} assets\n`);
}
