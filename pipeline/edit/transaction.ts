import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Change, filesIn, write } from "../synth/project.ts";
import { errorCode, PipelineError } from "../util/error.ts";

/**
 * Applies all changes to a project, or none. It is synchronous, so that no signal can interrupt it halfway. A directory
 * that becomes empty is removed.
 *
 * @throws PipelineError when a file has changed since the changes were computed, or cannot be written
 */
export function apply(root: string, pending: readonly Change[]): void {
  const files = filesIn(root);
  const moved = pending.find(({ path, before }) => files(path) !== before);
  if (moved !== undefined) {
    throw new PipelineError(`${moved.path} has changed while this ran; nothing was written`, {
      fix: "run it again",
    });
  }
  try {
    write(root, pending);
  } catch (error) {
    const written = pending.filter(({ path, before }) => files(path) !== before);
    for (const { path, before, after } of written) write(root, [{ path, before: after, after: before }]);
    removeEmptied(
      root,
      written.filter(({ before }) => before === undefined),
    );
    throw error;
  }
  removeEmptied(
    root,
    pending.filter(({ after }) => after === undefined),
  );
}

function removeEmptied(root: string, removed: readonly Change[]): void {
  for (const directory of new Set(removed.map(({ path }) => dirname(path)))) {
    try {
      rmdirSync(join(root, directory));
    } catch (error) {
      if (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "ENOENT") throw error;
    }
  }
}
