import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { tempDirectory } from "../run.ts";

/** A git repository with a commit for each tag, a day after the one before. */
export interface Repository {
  readonly path: string;
  readonly commits: Readonly<Record<string, string>>;
}

/** Makes a repository on this machine, which git reads as it does another one's. @param annotated tags of their own */
export function repository(
  tags: readonly string[],
  annotated: readonly string[] = [],
  path = join(tempDirectory(), "repository"),
): Repository {
  const commits: Record<string, string> = {};
  const git = (day: number, ...args: string[]) => {
    const date = `2026-10-${String(day).padStart(2, "0")}T00:00:00Z`;
    const who = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.com", GIT_AUTHOR_DATE: date };
    const env = {
      ...process.env,
      ...who,
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@example.com",
      GIT_COMMITTER_DATE: date,
    };
    return execFileSync("git", ["-C", path, ...args], { env, encoding: "utf8" }).trim();
  };
  execFileSync("git", ["init", "-q", path]);
  git(1, "config", "uploadpack.allowFilter", "true");
  for (const [at, tag] of tags.entries()) {
    git(at + 1, "commit", "-q", "--allow-empty", "-m", tag);
    git(at + 1, "tag", ...(annotated.includes(tag) ? ["-a", "-m", tag] : []), tag);
    commits[tag] = git(at + 1, "rev-parse", "HEAD");
  }
  return { path, commits };
}
