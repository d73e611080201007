import { accessSync, constants, statSync } from "node:fs";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";

/** The variables with the paths of the files to which a step of GitHub Actions writes its outputs and its summary. */
const FILES = ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] as const;

/** Checks that these files can be written; called before any work. @throws PipelineError that names the variable */
export function checkActionsFiles(): void {
  for (const name of FILES) {
    const path = process.env[name];
    if (!path) continue;
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      if (statSync(path).isFile()) continue;
    } catch (cause) {
      throw unusable(name, path, reasonOf(cause), cause);
    }
    throw unusable(name, path, "it is not a file");
  }
}

const unusable = (name: string, path: string, why: string, cause?: unknown) =>
  new PipelineError(`${name} is ${path}, which cannot be written (${why})`, {
    ...{ code: "not-writable", fix: "unset it, or create the file", cause },
  });
