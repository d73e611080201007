import { z } from "zod";
import { PipelineError } from "../util/error.ts";
import type { ReadFile } from "./app.ts";

/** The parts of a `package-lock.json` (lockfileVersion 3) that decide what is installed. */
const Lockfile = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      resolved: z.string().optional(),
      inBundle: z.boolean().optional(),
      link: z.boolean().optional(),
      engines: z.object({ node: z.string().optional() }).optional().catch(undefined),
    }),
  ),
});
type Lockfile = z.infer<typeof Lockfile>;

/** @throws PipelineError when the lockfile is missing, or is not in the format of npm 7 or newer */
function parse(files: ReadFile, path: string): Lockfile {
  const text = files(path);
  if (text === undefined) {
    throw new PipelineError(`${path} is missing`, { fix: "make it with npm install --package-lock-only" });
  }
  try {
    return Lockfile.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${path} is not a package-lock.json of lockfileVersion 3`, { cause });
  }
}

export const lockfileOf = (preset: string) => `dockerfiles/${preset}/package-lock.json`;

/** The locked version of a package; undefined if the lockfile does not contain it. @throws PipelineError as `parse` */
export function lockedVersion(files: ReadFile, path: string, name: string): string | undefined {
  return parse(files, path).packages[`node_modules/${name}`]?.version;
}

/** The `engines.node` range of a locked package; `*` if it has none. @throws PipelineError as `parse` */
export function nodeRange(files: ReadFile, path: string, name: string): string {
  return parse(files, path).packages[`node_modules/${name}`]?.engines?.node ?? "*";
}

/** Why a lockfile does not fix everything that a preset installs, a line for each error; empty if it does. */
export function lockfileErrors(files: ReadFile, path: string, name: string): string[] {
  let lock: Lockfile;
  try {
    lock = parse(files, path);
  } catch (error) {
    if (error instanceof PipelineError) return [error.message];
    throw error;
  }
  const errors: string[] = [];
  const manifest = path.replace("package-lock.json", "package.json");
  if (files(manifest) === undefined)
    errors.push(`${manifest} is missing: npm ci needs it beside the lockfile`);
  if (!lock.packages[`node_modules/${name}`]?.version) errors.push(`${path} does not lock ${name}`);
  for (const [location, entry] of Object.entries(lock.packages)) {
    if (location === "" || entry.inBundle) continue;
    if (entry.link || !entry.integrity) errors.push(`${path}: ${location} has no integrity hash`);
    if (entry.resolved) {
      errors.push(
        `${path}: ${location} has the address of a registry: lock it with npm's omit-lockfile-registry-resolved=true`,
      );
    }
  }
  return errors;
}
