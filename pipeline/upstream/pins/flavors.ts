import type { Flavor } from "../../constructs/flavor.ts";
import type { Release } from "../../constructs/release.ts";
import type { RootfsSource } from "../../schema/cells.ts";
import { unique } from "../../util/unique.ts";

/** Every flavor that the release uses: of its bases, of the container in which its kernel is compiled, of its appliances. */
export const flavorsOf = ({ bases, kernels, appliances }: Release): Flavor[] =>
  unique([
    ...bases.map(({ flavor }) => flavor),
    ...kernels.map(({ buildOn }) => buildOn),
    ...appliances.flatMap(({ flavor, kernel, otherVersions }) => [flavor, kernel.flavor, ...otherVersions]),
  ]);

/** How pins name a flavor: `alpine`, and `alpine 3.23` for another release of it that the project uses as well. */
export function titleOf(flavor: Flavor, release: Release): string {
  const first = flavorsOf(release).find(({ name }) => name === flavor.name)!;
  return first.version === flavor.version ? flavor.name : `${flavor.name} ${flavor.version}`;
}

/** Every source of a flavor's root file system, for each arch of the release once. */
export const sourcesOf = (flavor: Flavor, { archs }: Release): RootfsSource[] =>
  archs.flatMap((arch) => [...flavor.sources(arch)]);

/** The suite of Debian's archive that a flavor can be made from; undefined if it is none of Debian's. */
export function suiteOf(flavor: Flavor): string | undefined {
  const source = flavor.sources("amd64").find(({ from }) => from === "mmdebstrap");
  return source?.from === "mmdebstrap" ? source.suite : undefined;
}
