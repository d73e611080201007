import semver from "semver";
import { lockfileOf } from "../../constructs/lockfile.ts";
import type { PresetLayer } from "../../constructs/preset-layer.ts";
import { lockPackage } from "../ask/locked-package.ts";
import { type NpmPackage, npmPackage } from "../ask/npm-package.ts";
import type { Behind, Newest, Pin, Resolver } from "../pin.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** The presets that are npm packages, each at the version of its lockfile. */
export const npmPackages: Resolver = ({ release }) => release.presets.flatMap(pinOf);

function pinOf(layer: PresetLayer): Pin[] {
  const { install, preset, lockedVersion: pinned } = layer;
  if (install.method !== "npm" || pinned === undefined) return [];
  const { package: name, hold } = install;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const found = await npmPackage(upstream, name);
    const version = newestOf(found, hold?.range);
    if (version === undefined)
      throw new Unknown(
        name,
        hold ? `the registry has no version ${hold.range}` : "its tag latest is no version",
      );
    const note = [
      ...(found.latest !== undefined && found.latest !== version && hold
        ? [`newest of all: ${found.latest}`]
        : []),
      ...(found.deprecated ? [`deprecated: ${found.deprecated}`] : []),
    ].join("; ");
    return {
      version,
      ...(note ? { note } : {}),
      ...(semver.gt(version, pinned)
        ? {
            behind: behindOf(found, pinned, version),
            write: async ({ own }, run) => {
              const [lockPath, manifestPath] = [lockfileOf(preset), lockfileOf(preset).replace("-lock", "")];
              const { manifest, lockfile } = await lockPackage(preset, name, version, own(lockPath), run);
              return new Map([
                [manifestPath, manifest],
                [lockPath, lockfile],
              ]);
            },
          }
        : {}),
    };
  };
  return [{ kind: "npm", name: preset, pinned, hold, newest }];
}

/**
 * The version with the tag `latest`. If that is not in the range, the highest one that is: a prerelease only if no other is.
 */
function newestOf({ latest, versions }: NpmPackage, range: string | undefined): string | undefined {
  if (range === undefined || (latest !== undefined && semver.satisfies(latest, range))) return latest;
  const final = versions.filter((each) => semver.prerelease(each) === null);
  return semver.maxSatisfying(final, range) ?? semver.maxSatisfying([...versions], range) ?? undefined;
}

/** How far a version is behind another one of its package. */
export function behindOf({ versions, times }: NpmPackage, pinned: string, newest: string): Behind {
  const later = versions.filter(
    (each) => semver.prerelease(each) === null && semver.gt(each, pinned) && semver.lte(each, newest),
  );
  const days = (Date.parse(times[newest] ?? "") - Date.parse(times[pinned] ?? "")) / 86_400_000;
  return { versions: later.length, days: Number.isNaN(days) ? undefined : Math.round(days) };
}
