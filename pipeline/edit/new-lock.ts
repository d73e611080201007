import semver from "semver";
import { z } from "zod";
import { lockfileErrors, lockfileOf } from "../constructs/lockfile.ts";
import type { NewLock } from "../schema/drift.ts";
import type { Project } from "../synth/find-project.ts";
import { filesIn } from "../synth/project.ts";
import { manifestLocking } from "../upstream/ask/locked-package.ts";
import { PipelineError } from "../util/error.ts";
import { declareImagesOf } from "./declared-images.ts";
import { type Edit, manifestOf, over, presetNamed, withDerived } from "./preset.ts";
import { isPackageName } from "./spec.ts";

/** The parts of a lockfile that decide which packages npm downloads. */
const Lockfile = z.strictObject({
  name: z.string(),
  lockfileVersion: z.literal(3),
  requires: z.literal(true).optional(),
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      version: z.string().optional(),
      integrity: z.string().optional(),
      resolved: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
    }),
  ),
});
type Entry = z.infer<typeof Lockfile>["packages"][string];

const DIRECTORY = "node_modules/";
const SHA512 = /^sha512-[A-Za-z0-9+/]+={0,2}$/;

/** A preset's package at a newer version. It is not applied yet. */
export interface NewVersion extends Edit {
  readonly preset: string;
  readonly version: string;
}

/**
 * The changes that take over a new lockfile of a preset. The lockfile is not trusted: nothing else is taken from it, the
 * package.json beside it is written again, and npm is not run.
 *
 * @throws PipelineError when the project has no such preset, when the lockfile installs something other than a newer
 * version of its package with dependencies from the registry, and for a tree that synth refuses
 */
export async function withNewLock(
  project: Project,
  { preset: name, lockfile }: NewLock,
): Promise<NewVersion> {
  const files = filesIn(project.root);
  const preset = presetNamed(await declareImagesOf(project, files), name);
  if (preset.install.method !== "npm" || preset.lockedVersion === undefined)
    throw refused(name, "it is not an npm package");
  const { package: pkg, hold } = preset.install;
  const version = lockedIn(name, pkg, lockfile);
  if (!semver.gt(version, preset.lockedVersion))
    throw refused(name, `${version} is not newer than ${preset.lockedVersion}`);
  if (hold && !semver.satisfies(version, hold.range))
    throw refused(name, `it is held to ${hold.range}, and ${version} is not in that range (${hold.reason})`);

  const own = [
    { path: manifestOf(name), after: manifestLocking(pkg, version) },
    { path: lockfileOf(name), after: lockfile },
  ].map(({ path, after }) => ({ path, before: files(path), after }));
  const errors = lockfileErrors(over(files, own), lockfileOf(name), pkg);
  if (errors.length > 0) throw refused(name, errors[0]!);
  const after = await declareImagesOf(project, over(files, own));
  return {
    ...{ preset: name, version },
    pending: withDerived(project, own, after, [name]),
    notes: [`${name}: ${pkg} ${preset.lockedVersion} -> ${version}`],
  };
}

/** The version of a package that a lockfile fixes. @throws PipelineError when it installs anything else than that asks for */
function lockedIn(preset: string, pkg: string, text: string): string {
  let lock: z.infer<typeof Lockfile>;
  try {
    const json = JSON.parse(text);
    lock = Lockfile.parse(json);
    // As npm writes it, so that a reviewer's and every program's reading of it is the same.
    if (`${JSON.stringify(json, null, 2)}\n` !== text) throw new Error("not as npm writes it");
  } catch (cause) {
    throw refused(preset, "it is not a package-lock.json of lockfileVersion 3", cause);
  }
  const { packages } = lock;
  const own = packages[`${DIRECTORY}${pkg}`];
  const version = own?.version ?? "";
  const wanted = JSON.stringify({ dependencies: { [pkg]: version } });
  if (lock.name !== preset || JSON.stringify(JSON.parse(text).packages[""]) !== wanted)
    throw refused(preset, `it does not lock ${pkg} alone`);
  if ((own?.name ?? pkg) !== pkg || own?.inBundle) throw refused(preset, `it has another package as ${pkg}`);
  for (const [location, entry] of Object.entries(packages)) {
    const wrong = location === "" ? undefined : errorOf(location, entry, packages);
    if (wrong) throw refused(preset, `${location}: ${wrong}`);
  }
  return version;
}

/**
 * What is wrong with an entry. npm takes a version that is an address for where to download from, and a location for where
 * to install.
 */
function errorOf(
  location: string,
  { name, version = "", integrity = "", resolved, link, inBundle }: Entry,
  packages: Readonly<Record<string, Entry>>,
): string | undefined {
  const names = location.split(/(?:^|\/)node_modules\//).slice(1);
  if (`${DIRECTORY}${names.join(`/${DIRECTORY}`)}` !== location || !names.every(isPackageName))
    return "it is not the place of a package";
  if (name !== undefined && !isPackageName(name)) return "its name is not that of a package";
  if (semver.valid(version) !== version) return "its version is not a version of the registry";
  if (resolved !== undefined || link) return "it has an address";
  if (!inBundle) return SHA512.test(integrity) ? undefined : "it has no sha512 integrity hash";
  const bundles = names.some((_, at) => {
    const above = packages[`${DIRECTORY}${names.slice(0, at).join(`/${DIRECTORY}`)}`];
    return at > 0 && above !== undefined && !above.inBundle;
  });
  return bundles ? undefined : "no package bundles it";
}

const refused = (preset: string, why: string, cause?: unknown) =>
  new PipelineError(`the new lockfile of ${preset} is refused: ${why}`, {
    fix: `make it with \`npx smolvm-images bump --preset ${preset}\``,
    cause,
  });
