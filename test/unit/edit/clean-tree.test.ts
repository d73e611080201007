import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { checkClean, headOf } from "../../../pipeline/edit/clean-tree.ts";
import { tempDirectory } from "../../support/run.ts";

let root: string;
beforeEach(() => {
  root = tempDirectory();
  // Repositories around the temporary directory are none of the test's.
  vi.stubEnv("GIT_CEILING_DIRECTORIES", join(root, ".."));
});
afterEach(() => void vi.unstubAllEnvs());

function git(...args: string[]): string {
  const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  return execFileSync("git", ["-C", root, ...who, ...args], { encoding: "utf8" }).trim();
}
function commit(): string {
  git("init", "-q");
  writeFileSync(join(root, "a"), "1");
  git("add", "a");
  git("commit", "-q", "-m", "all");
  return git("rev-parse", "HEAD");
}

it("a commit without changes passes, and a change is named", async () => {
  const head = commit();
  expect(await headOf(root)).toBe(head);
  await checkClean(root);
  writeFileSync(join(root, "a"), "2");
  await expect(checkClean(root)).rejects.toMatchObject({
    ...{ code: "dirty-tree", problem: "a: changed and not committed; nothing was changed" },
  });
});

it("outside of a repository, and before its first commit, there is nothing to compare", async () => {
  await checkClean(root);
  expect(await headOf(root)).toBeUndefined();
  git("init", "-q");
  expect(await headOf(root)).toBeUndefined();
});

it("a repository of another user is no repository without changes", async () => {
  commit();
  vi.stubEnv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
  vi.stubEnv("GIT_CONFIG_SYSTEM", "/dev/null");
  await expect(checkClean(root)).rejects.toMatchObject({
    code: "dirty-tree",
    message: expect.stringMatching(
      /: git cannot read the repository \(detected dubious ownership in repository at .*\)/,
    ),
    details: expect.arrayContaining([expect.stringContaining("safe.directory")]),
  });
});

it("neither is one whose directory is gone", async () => {
  writeFileSync(join(root, ".git"), "gitdir: /nonexistent\n");
  await expect(checkClean(root)).rejects.toThrow("not a git repository: /nonexistent");
});

it("an index that git cannot read is an error", async () => {
  commit();
  writeFileSync(join(root, ".git", "index"), "broken");
  await expect(checkClean(root)).rejects.toThrow(/git cannot read the repository \(.*index file/);
});

it("git must be there", async () => {
  vi.stubEnv("PATH", root);
  await expect(checkClean(root)).rejects.toMatchObject({ code: "program-missing" });
});
