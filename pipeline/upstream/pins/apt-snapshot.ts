import type { Flavor } from "../../constructs/flavor.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { flavorsOf, suiteOf } from "./flavors.ts";

const DAY_MS = 86_400_000;

/** The instant of the dated archives that packages come from. Several flavors may share one. */
export const aptSnapshots: Resolver = ({ release }) => {
  const bySnapshot = new Map<string, Flavor[]>();
  for (const flavor of flavorsOf(release)) {
    if (flavor.snapshot === undefined) continue;
    bySnapshot.set(flavor.snapshot, [...(bySnapshot.get(flavor.snapshot) ?? []), flavor]);
  }
  return [...bySnapshot].map(([pinned, flavors]) => {
    const names = flavors.map(({ name }) => name).join(", ");
    return pinOf(bySnapshot.size === 1 ? "apt snapshot" : `apt snapshot (${names})`, pinned, flavors);
  });
};

function pinOf(name: string, pinned: string, flavors: readonly Flavor[]): Pin {
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const suite = flavors.map(suiteOf).find((each) => each !== undefined);
    if (suite === undefined) {
      throw new Unknown(name, "no flavor of Debian uses it, whose archive could be asked for its date");
    }
    const { date } = await upstream.archive(suite);
    const version = instantAfter(date, upstream.today);
    const days = (instantOf(version) - instantOf(pinned)) / DAY_MS;
    if (days <= 0) return { version: pinned };
    const write: Newest["write"] = (to) => replaced(to, [{ find: pinned, by: version, times: "all" }]);
    return { version, behind: { days: Math.round(days) }, write };
  };
  return { kind: "apt-snapshot", name, pinned, newest };
}

/**
 * The first midnight (UTC) after the archive has changed; dated archives have that day then. If it changed today, the midnight
 * before.
 */
function instantAfter(changed: Date, today: Date): string {
  const after = Math.ceil(changed.getTime() / DAY_MS) * DAY_MS;
  const last = Math.floor(today.getTime() / DAY_MS) * DAY_MS;
  return new Date(Math.min(after, last)).toISOString().replace(/[-:]|\.\d+/g, "");
}

const instantOf = (id: string): number =>
  Date.parse(id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
