import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { maxSatisfying } from "semver";
import { z } from "zod";
import { lockfileErrors } from "../../constructs/lockfile.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { npm } from "./npm.ts";

/** The files that `npm ci` needs to install one package. */
export interface LockedPackage {
  /** The text of package.json. */
  readonly manifest: string;
  /** The text of package-lock.json. */
  readonly lockfile: string;
  /** The names of the programs that the package installs. */
  readonly programs: readonly string[];
}

/**
 * The exact version that the registry has for a version, a tag or a range (of which it is the highest one).
 * @param version a version, tag or range. @default latest
 * @throws PipelineError when the registry has no such version, or cannot be reached
 */
export async function findVersion(
  name: string,
  version: string | undefined,
  { progress, signal }: Run,
): Promise<string> {
  const spec = `${name}@${version ?? "latest"}`;
  progress.step(`look up ${spec}`);
  return await inTemporary(name.replace(/^.*\//, ""), async (directory) => {
    put(directory, "package.json", '{ "private": true }\n');
    const answer = parsed(await npm(directory, ["view", spec, "version"], spec, signal));
    const found = z.string().safeParse(Array.isArray(answer) ? highest(answer) : answer);
    // For an unknown version, older releases of npm print nothing, and newer ones fail.
    if (!found.success)
      throw new PipelineError(`${spec}: the npm registry has no such version; nothing was changed`);
    return found.data;
  });
}

/** The highest of several versions, for a range. */
const highest = (versions: readonly unknown[]): unknown =>
  maxSatisfying(
    versions.filter((each) => typeof each === "string"),
    "*",
  ) ?? undefined;

const Locked = z.object({
  packages: z.record(z.string(), z.object({ bin: z.record(z.string(), z.string()).optional() })),
});

/**
 * Locks a version of a package with its dependencies, in a temporary directory.
 *
 * @param preset the name of the directory, which npm writes into the lockfile
 * @param before an existing lockfile: its versions are kept if they still fit
 * @throws PipelineError when npm fails, or when synth would refuse the lockfile
 */
export async function lockPackage(
  preset: string,
  name: string,
  version: string,
  before: string | undefined,
  { progress, signal }: Run,
): Promise<LockedPackage> {
  progress.step(`lock ${name} ${version} and its dependencies`);
  const manifest = manifestLocking(name, version);
  const lockfile = await lockManifest(preset, manifest, before, `${name}@${version}`, { progress, signal });
  const files = new Map([
    ["package.json", manifest],
    ["package-lock.json", lockfile],
  ]);
  const errors = lockfileErrors((path) => files.get(path), "package-lock.json", name);
  if (errors.length > 0) {
    throw new PipelineError(
      `${name} ${version} cannot be a preset, because npm's lockfile does not fix everything that it installs; nothing was changed`,
      { details: errors.map((error) => `- ${error}`) },
    );
  }
  const { packages } = Locked.parse(JSON.parse(lockfile));
  return { manifest, lockfile, programs: Object.keys(packages[`node_modules/${name}`]?.bin ?? {}) };
}

/** The text of the package.json that a preset's lockfile belongs to. */
export const manifestLocking = (name: string, version: string): string =>
  `${JSON.stringify({ private: true, dependencies: { [name]: version } }, null, 2)}\n`;

/**
 * The lockfile of a package.json.
 * @param name the name of the directory, which npm writes into the lockfile
 * @param before an existing lockfile: its versions are kept if they still fit
 * @param what the packages that are locked, for error messages
 * @throws PipelineError when npm fails
 */
export async function lockManifest(
  name: string,
  manifest: string,
  before: string | undefined,
  what: string,
  { signal }: Run,
): Promise<string> {
  return await inTemporary(name, async (directory) => {
    put(directory, "package.json", manifest);
    if (before !== undefined) put(directory, "package-lock.json", before);
    await npm(directory, ["install"], what, signal);
    return readFileSync(join(directory, "package-lock.json"), "utf8");
  });
}

const put = (directory: string, file: string, text: string) => writeFileSync(join(directory, file), text);

/** Runs `work` in an empty directory of this name, which is removed afterwards. */
export async function inTemporary<T>(name: string, work: (directory: string) => Promise<T>): Promise<T> {
  const parent = mkdtempSync(join(tmpdir(), "smolvm-preset-"));
  try {
    const directory = join(parent, name);
    mkdirSync(directory);
    return await work(directory);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
