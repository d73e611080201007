import { x } from "tinyexec";
import { PipelineError } from "../util/error.ts";

/** The commit that is checked out; undefined outside of a git repository. */
export async function headOf(root: string): Promise<string | undefined> {
  const { exitCode, stdout } = await x("git", ["-C", root, "rev-parse", "--verify", "--quiet", "HEAD"]);
  return exitCode === 0 ? stdout.trim() : undefined;
}

/**
 * Checks that no committed file of a project has been changed. Outside of a git repository there is nothing to compare.
 * @throws PipelineError that names the first changed files
 */
export async function checkClean(root: string): Promise<void> {
  if ((await headOf(root)) === undefined) return;
  const args = ["-C", root, "status", "--porcelain", "--untracked-files=no", "--", "."];
  const { stdout } = await x("git", args);
  const changed = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.slice(3));
  if (changed.length === 0) return;
  const named = changed.slice(0, 3).join(", ");
  const more = changed.length > 3 ? ` and ${changed.length - 3} more` : "";
  throw new PipelineError(`${named}${more}: changed and not committed; nothing was changed`, {
    code: "dirty-tree",
    fix: "commit or stash it, then run it again",
  });
}
