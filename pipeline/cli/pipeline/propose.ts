import { join } from "node:path";
import { publishedAssets } from "../../release/expected.ts";
import { readCells } from "../../runtime/read-cells.ts";
import { MANIFEST_PATH } from "../../schema/manifest.ts";
import { DIGESTS_PATH, RecordedDigests } from "../../schema/recorded-digests.ts";
import { PUBLISHED_IMAGES_PATH } from "../../synth/published-images.ts";
import { PipelineError } from "../../util/error.ts";
import { readCommitted } from "../../util/record.ts";
import { inRun } from "../shared/run.ts";
import { checkActionsFiles } from "./actions-files.ts";
import { loadGitHub } from "./load-github.ts";
import { recordedFiles } from "./recorded-files.ts";
import { summariseCommands } from "./summary.ts";
import { root } from "./tree.ts";

/**
 * Opens a pull request with the recorded digests. If GitHub refuses that, prints the commands to do it by hand. Only the
 * digests are read from `directory`; the other files are generated from them again.
 * @param directory where the digests are. @default the project's root
 */
export async function proposeDigests(directory = root()): Promise<void> {
  checkActionsFiles();
  const cells = readCells(root());
  const { actionsRun, openGitHub, propose } = await loadGitHub();
  await inRun(async (run) => {
    const digests = await readCommitted(join(directory, DIGESTS_PATH), RecordedDigests);
    if (digests?.tag !== cells.tag) {
      throw new PipelineError(`${DIGESTS_PATH} has no digests of ${cells.tag}`, {
        fix: "run `npx smolvm-images release publish` first",
      });
    }
    const expected = publishedAssets(cells).sort();
    const recorded = Object.keys(digests.assets).sort();
    if (recorded.join() !== expected.join()) {
      throw new PipelineError(
        `${DIGESTS_PATH} has ${recorded.length} assets that are not those of ${cells.tag}`,
        {
          fix: `check out the commit that was published; its ${expected.length} assets must be recorded`,
        },
      );
    }
    const files = recordedFiles(cells, digests);
    const branch = `recorded/${cells.tag}`;
    const title = `Record the digests of ${cells.tag}`;
    const body =
      `Every asset of ${cells.tag} is on the release with these digests. Merge this when the release is public: ` +
      "clients then find the images.\n\n" +
      "A workflow opened it, so GitHub starts its checks only after a maintainer approves them.";
    run.progress.step("open a pull request with the new digests");
    try {
      const url = await propose(openGitHub(cells, run), {
        branch,
        base: actionsRun().branch,
        title,
        body,
        files,
      });
      run.progress.end();
      process.stdout.write(url ? `${url}\n` : "");
      if (!url) process.stderr.write("nothing to propose: the branch already has these digests\n");
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      run.progress.end();
      const commands = byHand(branch, title, actionsRun().id);
      await summariseCommands(error.message, commands);
      run.progress.warn(`${error.message}; to do it by hand: ${commands.join(" && ")}`);
    }
  });
}

function byHand(branch: string, title: string, run: number | undefined): string[] {
  return [
    `git switch -c ${branch}`,
    ...(run ? [`gh run download ${run} -n recorded`] : []),
    `git add ${DIGESTS_PATH} ${MANIFEST_PATH} ${PUBLISHED_IMAGES_PATH}`,
    `git commit -m '${title}'`,
    `git push -u origin ${branch}`,
    "gh pr create --fill",
  ];
}
