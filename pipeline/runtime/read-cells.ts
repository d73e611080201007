import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { errorCode, PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";

/** Reads `out/cells.json` of the project in `root`. @throws PipelineError */
export function readCells(root: string): Cells {
  const path = join(root, CELLS_PATH);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw errorCode(cause) === "ENOENT"
      ? new PipelineError(`there is no ${CELLS_PATH} in ${root}`, {
          code: "stale-cells",
          fix: "run this where the project's package.json is, or `npx smolvm-images synth` first",
          cause,
        })
      : new PipelineError(
          `cannot read ${path}: ${reasonOf(cause)}; run \`npx smolvm-images synth\` once that is put right`,
          {
            ...{ code: "not-readable", cause },
          },
        );
  }
  try {
    return Cells.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${CELLS_PATH} is not as this version writes it (${reasonOf(cause)})`, {
      ...{ code: "stale-cells", fix: "run `npx smolvm-images synth`", cause },
    });
  }
}
