import type { Cell, Cells } from "../schema/cells.ts";
import type { RecordedDigests } from "../schema/recorded-digests.ts";
import { MOST_FACTS_BYTES, StagingDirectory } from "../stores/directory/staging.ts";
import { cellArtifactsIn, strangersIn } from "./artifact.ts";
import { type Expected, expectedAssets, notAsDeclared } from "./expected.ts";

/** The directory of a cell's artifact with its facts is named so, as the workflow uploads it. */
const PREFIX = "facts-";

/**
 * The facts of every published asset, from the artifacts of a run (`facts-<id>/` each). Nothing in them is believed but
 * digests and sizes: which assets there are, the committed cells say.
 * @param last an earlier release, from which assets are carried over. @default nothing is carried over
 * @throws PipelineError when the directory cannot be read, or facts are damaged
 */
export async function handedFacts(
  cells: Cells,
  directory: string,
  last?: RecordedDigests,
): Promise<Expected> {
  const factsOf = (cell: Cell) => cell.assets.map((asset) => `${asset}.json`);
  const { artifacts, problems } = await cellArtifactsIn(cells, directory, PREFIX, factsOf);
  for (const { name, path, cell } of artifacts) {
    const own = new Set(factsOf(cell));
    const most = (file: string) => (own.has(file) ? MOST_FACTS_BYTES : undefined);
    const allowed = { artifacts: `${PREFIX}*`, of: "the facts of this cell", most };
    const found = await strangersIn(path, allowed);
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  if (problems.length > 0) return { facts: [], problems };
  const of = async (asset: string) => {
    const found = artifacts.find(({ cell }) => cell.assets.includes(asset));
    return found && (await new StagingDirectory(found.path).facts(asset));
  };
  const expected = await expectedAssets(cells, { directory, facts: of }, false, last);
  return { ...expected, problems: [...expected.problems, ...notAsDeclared(cells, expected.facts)] };
}
