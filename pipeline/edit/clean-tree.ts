import { x } from "tinyexec";
import { errorCode, PipelineError } from "../util/error.ts";

/**
 * The commit that is checked out; undefined outside of a git repository, and where there is no commit yet.
 * @throws PipelineError when git is missing, or cannot read the repository
 */
export async function headOf(root: string): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await git(root, ["rev-parse", "--verify", "--quiet", "HEAD"]);
  if (exitCode === 0) return stdout.trim();
  // Git says nothing where there is no commit yet.
  if (stderr.trim() === "" || /^fatal: not a git repository \(or any /m.test(stderr)) return undefined;
  throw unreadable(root, stderr);
}

async function git(root: string, args: readonly string[]) {
  const env = { ...process.env, LC_ALL: "C.UTF-8" };
  try {
    return await x("git", ["-C", root, ...args], { nodePath: false, nodeOptions: { env } });
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw cause;
    const fix = "install it, on Debian or Ubuntu with `sudo apt-get install git`";
    throw new PipelineError("git is not on PATH", { code: "program-missing", fix, cause });
  }
}

function unreadable(root: string, stderr: string): PipelineError {
  const lines = stderr.trim().split("\n");
  const said = lines.find((line) => line.startsWith("fatal: "))?.slice("fatal: ".length) ?? lines.at(-1)!;
  return new PipelineError(`${root}: git cannot read the repository (${said}); nothing was changed`, {
    code: "dirty-tree",
    fix: "make `git status` work there",
    details: lines,
  });
}

const STATUS = ["status", "--porcelain", "--untracked-files=no", "--", "."];

/**
 * Checks that no committed file of a project has been changed. Outside of a git repository there is nothing to compare.
 * @throws PipelineError that names the first changed files, or when git cannot read the repository
 */
export async function checkClean(root: string): Promise<void> {
  if ((await headOf(root)) === undefined) return;
  const { exitCode, stdout, stderr } = await git(root, STATUS);
  if (exitCode !== 0) throw unreadable(root, stderr);
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
