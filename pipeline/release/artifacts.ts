import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Cell, Cells } from "../schema/cells.ts";
import type { Facts } from "../schema/facts.ts";
import { MOST_SBOM_BYTES } from "../schema/inventory.ts";
import { isFactsOf, stagedFilesOf } from "../schema/kinds/index.ts";
import { SUMS_ASSET, sbomAsset } from "../schema/names.ts";
import { StagingDirectory } from "../stores/directory/staging.ts";
import { MOST_BYTES } from "../stores/outgoing.ts";
import { sha256File } from "../util/hash.ts";
import type { Run } from "../util/progress.ts";
import { cellArtifactsIn, strangersIn } from "./artifact.ts";

/** The directory of a cell's artifact is named so, as the workflow uploads it. */
const PREFIX = "cell-";
const ALL = `${PREFIX}*`;

/**
 * Takes what the jobs of cells have left in `directory` (`cell-<id>/` each) into the staging directory. The jobs run code of
 * packages, so nothing in an artifact is believed: a file must be one of the cell's own by its name, a regular file, and
 * what its facts say. If anything is not, nothing is taken.
 * @returns a line for each problem
 * @throws PipelineError when the directory cannot be read
 */
export async function takeArtifacts(
  cells: Cells,
  directory: string,
  staged: StagingDirectory,
  run: Run,
): Promise<string[]> {
  const { artifacts, problems } = await cellArtifactsIn(cells, directory, PREFIX, stagedFilesOf);
  for (const { name, path, cell } of artifacts) {
    run.progress.step(`check ${name}`);
    const found = await problemsOf(cell, path, run);
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  if (problems.length > 0) return problems;
  for (const { cell, path } of artifacts) await take(cell, path, staged);
  return [];
}

/** What is wrong with the artifact of a cell. Files that are missing are found later, by the gate. */
async function problemsOf(cell: Cell, directory: string, run: Run): Promise<string[]> {
  const own = new Set([...stagedFilesOf(cell), SUMS_ASSET]);
  const most = (name: string) => (own.has(name) ? mostBytes(cell, name) : undefined);
  const problems = await strangersIn(directory, { artifacts: ALL, of: "this cell", most });
  if (problems.length > 0) return problems;
  for (const asset of cell.assets) {
    const facts = await new StagingDirectory(directory).facts(asset);
    if (!facts) continue;
    if (!isFactsOf(cell, facts)) problems.push(`${asset}.json has the facts of another cell (${facts.id})`);
    else problems.push(...(await differences(directory, facts, run)));
  }
  return problems;
}

/** The maximum size of a file of a cell, bytes. Inventories are read into memory. */
const mostBytes = ({ assets }: Cell, name: string): number =>
  assets.includes(name) ? MOST_BYTES : MOST_SBOM_BYTES;

/** Compares an asset and its inventory with their facts. */
async function differences(directory: string, facts: Facts, run: Run): Promise<string[]> {
  const problems: string[] = [];
  for (const { asset, sha256, size } of [facts, facts.sbom]) {
    const file = await lstat(join(directory, asset)).catch(() => undefined);
    if (!file) problems.push(`${asset} is missing, but its facts are there`);
    else if (file.size !== size) problems.push(`${asset} has ${file.size} bytes, but its facts say ${size}`);
    else if ((await sha256File(join(directory, asset), run.signal)) !== sha256) {
      problems.push(`${asset} has another sha256 than its facts say (${sha256})`);
    }
  }
  return problems;
}

async function take(cell: Cell, directory: string, staged: StagingDirectory): Promise<void> {
  for (const asset of cell.assets) {
    const facts = await new StagingDirectory(directory).facts(asset);
    if (!facts) continue;
    await staged.put(join(directory, asset), facts, await readFile(join(directory, sbomAsset(asset))));
    // What has been taken is not missing when the command is repeated.
    await rm(join(directory, `${asset}.json`));
  }
}
