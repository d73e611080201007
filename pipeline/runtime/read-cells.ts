import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CELLS_PATH, Cells } from "../schema/cells.ts";
import { errorCode, PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";

/** Reads `out/cells.json` of the project in `root`. @throws PipelineError if it is missing or not valid */
export function readCells(root: string): Cells {
  const path = join(root, CELLS_PATH);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw errorCode(cause) === "ENOENT"
      ? new PipelineError(`there is no ${CELLS_PATH} in ${root}`, {
          code: "stale-cells",
          fix: "run `npx smolvm-images synth` first, in the directory of the project's package.json",
          cause,
        })
      : new PipelineError(`cannot read ${path} (${reasonOf(cause)})`, {
          ...{ code: "not-readable", fix: "fix that, then run `npx smolvm-images synth`", cause },
        });
  }
  try {
    return Cells.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(
      `${CELLS_PATH} is not valid for this version of the program (${reasonOf(cause)})`,
      {
        ...{ code: "stale-cells", fix: "run `npx smolvm-images synth`", cause },
      },
    );
  }
}
