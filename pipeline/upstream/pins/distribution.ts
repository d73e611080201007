import type { Flavor } from "../../constructs/flavor.ts";
import { releasesOf } from "../ask/endoflife.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { flavorsOf, titleOf } from "./flavors.ts";

const PRODUCTS = { ubuntu: "ubuntu", debian: "debian", alpine: "alpine-linux" } as const;

/**
 * The releases of distributions. Another one has other packages, so a person moves to it in images.ts. Releases with long
 * support are compared with their own kind.
 */
export const distributions: Resolver = ({ release }) =>
  flavorsOf(release).flatMap((flavor) => pinOf(flavor, titleOf(flavor, release)));

function pinOf({ name: distribution, version: pinned }: Flavor, name: string): Pin[] {
  const product = PRODUCTS[distribution as keyof typeof PRODUCTS];
  if (product === undefined) return [];
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const releases = await releasesOf(upstream, product);
    const own = releases.find((each) => each.name === pinned);
    if (own === undefined) throw new Unknown("endoflife.date", `it does not know ${distribution} ${pinned}`);
    const day = upstream.today.toISOString().slice(0, 10);
    const later = releases
      .filter(
        ({ isLts, releaseDate }) =>
          (isLts || !own.isLts) && releaseDate > own.releaseDate && releaseDate <= day,
      )
      .sort((a, b) => (a.releaseDate < b.releaseDate ? 1 : -1));
    if (later[0] === undefined) return { version: pinned };
    const days = (Date.parse(later[0].releaseDate) - Date.parse(own.releaseDate)) / 86_400_000;
    return { version: later[0].name, behind: { versions: later.length, days: Math.round(days) } };
  };
  return [{ kind: "distribution", name, pinned, supported: { product, release: pinned }, newest }];
}
