import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import semver from "semver";
import { errorCode, PipelineError } from "../../util/error.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** A tag whose name is a version, and the commit that it points to. */
export interface VersionTag {
  readonly tag: string;
  readonly commit: string;
}

/** The tags of a repository that are whole versions (`v1.2.3`) and no prereleases, newest first. @throws Unknown */
export async function versionTags(upstream: Upstream, repository: string): Promise<VersionTag[]> {
  const listed = await git(upstream, repository, ["ls-remote", "--tags", repository]);
  const commits = new Map<string, string>();
  for (const line of listed.split("\n")) {
    const [, commit, tag, peeled] = /^([0-9a-f]{40})\trefs\/tags\/(.+?)(\^\{\})?$/.exec(line) ?? [];
    // An annotated tag is an object of its own; the line with ^{} behind it has the commit.
    if (commit !== undefined && tag !== undefined && (peeled || !commits.has(tag))) commits.set(tag, commit);
  }
  return [...commits]
    .map(([tag, commit]) => ({ tag, commit }))
    .filter(({ tag }) => semver.valid(tag) !== null && semver.prerelease(tag) === null)
    .sort((a, b) => semver.rcompare(a.tag, b.tag));
}

/** How many days lie between two commits; undefined if the server does not hand out single commits. */
export async function daysBetween(
  upstream: Upstream,
  repository: string,
  older: string,
  newer: string,
): Promise<number | undefined> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-git-"));
  try {
    await git(upstream, repository, ["init", "-q", "--bare", directory]);
    const at = ["-C", directory];
    const shallow = ["fetch", "-q", "--depth=1", "--filter=tree:0", repository];
    await git(upstream, repository, [...at, ...shallow, older, newer]);
    const show = ["show", "-s", "--no-show-signature", "--format=%ct", older, newer];
    const [from = "", to = ""] = (await git(upstream, repository, [...at, ...show])).trim().split("\n");
    return Math.round((Number(to) - Number(from)) / 86_400);
  } catch (error) {
    upstream.run.signal.throwIfAborted();
    if (error instanceof PipelineError) return undefined;
    throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs git, which never asks for a password. @throws Unknown with git's own last line */
function git({ run, patience }: Upstream, repository: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "true", LC_ALL: "C.UTF-8" };
  const options = { env, signal: run.signal, timeout: patience.totalMs, maxBuffer: 64 << 20 };
  return new Promise((resolve, reject) => {
    execFile("git", ["-c", "credential.helper=", ...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if (run.signal.aborted) return reject(run.signal.reason);
      if (errorCode(error) === "ENOENT") {
        const fix = "install it, on Debian or Ubuntu with `sudo apt-get install git`";
        return reject(
          new PipelineError("git is not on PATH", { code: "program-missing", fix, cause: error }),
        );
      }
      const said = error.killed
        ? `no whole answer within ${patience.totalMs / 1000} s`
        : (stderr.trim().split("\n").at(-1) ?? error.message);
      reject(new Unknown(repository, said, error));
    });
  });
}
