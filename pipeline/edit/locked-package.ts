import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { lockfileErrors } from "../constructs/lockfile.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { npm } from "./npm.ts";

/** What `npm ci` needs to install one package, as texts. */
export interface LockedPackage {
  readonly manifest: string;
  readonly lockfile: string;
  /** The names of the programs that the package installs. */
  readonly programs: readonly string[];
}

/**
 * The version that the registry has for a version or tag. @default the tag `latest`
 * @throws PipelineError when it has none, or is not reached
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
    const found = z.string().safeParse(parsed(await npm(directory, ["view", spec, "version"], spec, signal)));
    // Older versions of npm print nothing where newer ones fail.
    if (!found.success)
      throw new PipelineError(`${spec}: the npm registry has no such version; nothing was changed`);
    return found.data;
  });
}

const Locked = z.object({
  packages: z.record(z.string(), z.object({ bin: z.record(z.string(), z.string()).optional() })),
});

/**
 * Locks a version of a package with all that it needs, in a directory of its own below the system's temporary one.
 *
 * @param preset the name of the directory, which npm writes into the lockfile
 * @param before a lockfile: what it has locked stays as it is wherever it still fits
 * @throws PipelineError when npm cannot, or when synth would refuse the lockfile
 */
export async function lockPackage(
  preset: string,
  name: string,
  version: string,
  before: string | undefined,
  { progress, signal }: Run,
): Promise<LockedPackage> {
  progress.step(`lock ${name} ${version} and what it needs`);
  return await inTemporary(preset, async (directory) => {
    const manifest = `${JSON.stringify({ private: true, dependencies: { [name]: version } }, null, 2)}\n`;
    put(directory, "package.json", manifest);
    if (before !== undefined) put(directory, "package-lock.json", before);
    await npm(directory, ["install"], `${name}@${version}`, signal);
    const lockfile = readFileSync(join(directory, "package-lock.json"), "utf8");

    const files = new Map([
      ["package.json", manifest],
      ["package-lock.json", lockfile],
    ]);
    const errors = lockfileErrors((path) => files.get(path), "package-lock.json", name);
    if (errors.length > 0) {
      throw new PipelineError(
        `${name} ${version} cannot be a preset, because npm's lockfile does not fix all that it installs; nothing was changed`,
        { details: errors.map((error) => `- ${error}`) },
      );
    }
    const { packages } = Locked.parse(JSON.parse(lockfile));
    return { manifest, lockfile, programs: Object.keys(packages[`node_modules/${name}`]?.bin ?? {}) };
  });
}

const put = (directory: string, file: string, text: string) => writeFileSync(join(directory, file), text);

async function inTemporary<T>(name: string, work: (directory: string) => Promise<T>): Promise<T> {
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
