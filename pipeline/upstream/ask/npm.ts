import { execFile } from "node:child_process";
import { PipelineError } from "../../util/error.ts";
import { Unknown } from "../unknown.ts";

/**
 * The npm settings that affect the written files. Flags override every configuration file and variable, so that the result
 * is the same for every user. The user's settings for the connection to the registry (`registry`, `proxy`, `cafile`,
 * credentials) and for the minimum age of versions (`before`, `min-release-age`) stay in effect.
 */
const FLAGS = [
  "--json",
  "--loglevel=silent",
  "--package-lock-only",
  "--package-lock=true",
  "--shrinkwrap=true",
  "--lockfile-version=3",
  "--format-package-lock=true",
  "--omit-lockfile-registry-resolved=true",
  "--ignore-scripts",
  "--save=true",
  "--dry-run=false",
  "--global=false",
  "--location=user",
  "--workspaces=false",
  "--include=prod",
  "--include=optional",
  "--include=peer",
  "--install-strategy=hoisted",
  "--install-links=false",
  "--legacy-peer-deps=false",
  "--strict-peer-deps=false",
  "--prefer-dedupe=false",
  "--engine-strict=false",
  "--force=false",
  "--audit=false",
  "--fund=false",
  "--progress=false",
  "--update-notifier=false",
  "--fetch-retry-mintimeout=1000",
  "--fetch-retry-maxtimeout=5000",
];

/** The `npm_config_*` variables that npm gets: those for the user's settings that stay in effect (see FLAGS). */
const ALLOWED_VARIABLES =
  /^npm_config_(\/\/.*|_.*|@.*|registry|userconfig|globalconfig|prefix|cache|ca|cafile|cert|key|proxy|https_proxy|noproxy|strict_ssl|local_address|maxsockets|fetch_(retries|timeout)|replace_registry_host|(prefer_)?offline|prefer_online|before|min_release_age(_exclude)?)$/i;

/** npm's JSON output when it fails. */
interface Failure {
  readonly error?: { readonly code?: string; readonly summary?: string; readonly detail?: string };
}

/**
 * Runs npm in `directory`, which must have a package.json, with the same result for every user.
 *
 * @param what the requested package, for error messages
 * @param ending what error messages say after the problem
 * @param timeout how long npm may take, ms. @default npm's own time limits
 * @returns npm's output, JSON
 * @throws PipelineError when npm is missing, does not find the package or cannot reach the registry
 * @throws Unknown when npm takes longer than `timeout`
 */
export function npm(
  directory: string,
  args: readonly string[],
  what: string,
  signal: AbortSignal,
  ending = "; nothing was changed",
  timeout = 0,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = environment(process.env);
    const options = { cwd: directory, env, signal, timeout, maxBuffer: 64 * 1024 * 1024 };
    execFile("npm", [...args, ...FLAGS], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal.aborted) reject(signal.reason);
      else if (error.killed) reject(new Unknown(what, `no whole answer within ${timeout / 1000} s`, error));
      else reject(failure(what, error, stdout, stderr, ending));
    });
  });
}

/** The environment without the npm settings that would affect the written files. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^npm_config_/i.test(name) || ALLOWED_VARIABLES.test(name)),
  );
}

function failure(
  what: string,
  cause: NodeJS.ErrnoException | Error,
  stdout: string,
  stderr: string,
  ending: string,
): PipelineError {
  if ("code" in cause && cause.code === "ENOENT") {
    return new PipelineError("npm is not on PATH", {
      ...{ code: "program-missing", fix: "install it, on Debian or Ubuntu with `sudo apt-get install npm`" },
    });
  }
  const { code, summary } = said(stdout);
  if (code === "E404" || code === "ENOVERSIONS") {
    return new PipelineError(`${what}: the npm registry has no such package or version${ending}`, {
      cause,
    });
  }
  const reason = summary || code || stderr.trim().split("\n").at(-1) || cause.message;
  return new PipelineError(`${what}: npm failed (${reason.split("\n")[0]!.trim()})${ending}`, {
    fix: "check the connection to the registry with `npm ping`",
    cause,
  });
}

function said(stdout: string): NonNullable<Failure["error"]> {
  try {
    return (JSON.parse(stdout) as Failure).error ?? {};
  } catch {
    return {};
  }
}
