import { accessSync, constants, statSync } from "node:fs";
import { PipelineError } from "../../util/error.ts";
import { reasonOf } from "../../util/reason.ts";

/** Where Actions has a step write what it puts out, and what its page shows. */
const FILES = ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] as const;

/** Looks, before any work, whether what it puts out can be written. @throws PipelineError that names the variable */
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
    throw unusable(name, path, "it is no file");
  }
}

const unusable = (name: string, path: string, why: string, cause?: unknown) =>
  new PipelineError(`${name} names ${path}, which cannot be written (${why}): unset it, or make the file`, {
    cause,
  });
