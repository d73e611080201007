import semver from "semver";

/** The version in a tag: `images-v0.0.15`, `images-v1.2.0-rc.1`, `images-15`, `images-2026.05.06.1`. */
interface Version {
  readonly numbers: readonly string[];
  readonly prerelease: readonly string[];
}

/** `images-v0.0.15` -> `images-v`. Other releases of the repository have other prefixes. */
export const familyOf = (tag: string): string => tag.replace(/\d.*$/, "");

/** The version after the prefix; undefined if it is none. A date with a counter has four numbers. */
function versionOf(tag: string): Version | undefined {
  const [, numbers, prerelease] =
    /^(\d+(?:\.\d+)*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?$/.exec(
      tag.slice(familyOf(tag).length),
    ) ?? [];
  if (numbers === undefined) return undefined;
  return { numbers: numbers.split("."), prerelease: prerelease?.split(".") ?? [] };
}

export const hasVersion = (tag: string): boolean => versionOf(tag) !== undefined;

/**
 * Orders tags of one prefix by their versions, older first: by Semantic Versioning's precedence, for any count of numbers
 * (missing ones are 0). Both must have a version.
 */
export function compareTags(a: string, b: string): number {
  const [one, other] = [versionOf(a)!, versionOf(b)!];
  for (let at = 0; at < Math.max(one.numbers.length, other.numbers.length); at++) {
    const order = semver.compareIdentifiers(one.numbers[at] ?? "0", other.numbers[at] ?? "0");
    if (order !== 0) return order;
  }
  // A prerelease comes before its release.
  if (one.prerelease.length === 0 || other.prerelease.length === 0) {
    return Math.sign(other.prerelease.length - one.prerelease.length);
  }
  for (let at = 0; at < Math.max(one.prerelease.length, other.prerelease.length); at++) {
    const [left, right] = [one.prerelease[at], other.prerelease[at]];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    const order = semver.compareIdentifiers(left, right);
    if (order !== 0) return order;
  }
  return 0;
}
