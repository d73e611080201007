import type { Cell, Cells, MadeFrom } from "../schema/cells.ts";
import { kindNamed } from "../schema/kinds/index.ts";
import type { RecordedAsset, RecordedDigests } from "../schema/recorded-digests.ts";
import { inputsWith, unaccepted } from "./freshness.ts";

/** What the newest published release has recorded. */
export type LastRelease =
  | { readonly state: "none" }
  /** `why` is one line. */
  | { readonly state: "unreadable"; readonly why: string }
  | {
      readonly state: "recorded";
      readonly digests: RecordedDigests;
      /** What is wrong with files of the release now, by their names. @default nobody looked: what is recorded is believed */
      readonly problems?: ReadonlyMap<string, string>;
    };

/**
 * Why the recorded assets of a cell are not those that the tree declares; undefined if they are. Whatever is not known is a
 * reason.
 */
export function whyNotRecorded(
  cells: Pick<Cells, "accepts">,
  cell: Cell,
  { digests, problems }: Extract<LastRelease, { state: "recorded" }>,
): string | undefined {
  for (const asset of cell.assets) {
    if (!Object.hasOwn(digests.assets, asset)) return `${asset} is not recorded at ${digests.tag}`;
    const recorded = digests.assets[asset]!;
    const why =
      whyOther(cells, cell, recorded, digests.tag) ??
      problems?.get(asset) ??
      problems?.get(recorded.sbom.asset);
    if (why !== undefined) return why;
  }
  return undefined;
}

function whyOther(
  cells: Pick<Cells, "accepts">,
  cell: Cell,
  { inputs, overrides = [], made_from, proven = [] }: RecordedAsset,
  tag: string,
): string | undefined {
  if (inputs !== inputsWith(cell, overrides)) return changedInputs(made_from, cell.made_from, tag);
  const refused = unaccepted(cells, overrides);
  if (refused.length > 0) return `${tag} has it not as declared (${refused.join(", ")})`;
  const missing = kindNamed(cell.kind).unproven(proven);
  if (missing.length > 0) return `not recorded at ${tag} that it was booted on ${missing.join(", ")}`;
  return undefined;
}

/** Which inputs are different, by name: `snapshot 20261120T000000Z -> 20261127T000000Z, init/init 9f2c… -> 01ab…`. */
function changedInputs(then: MadeFrom | undefined, now: MadeFrom, tag: string): string {
  const names = then ? [...new Set([...Object.keys(now), ...Object.keys(then)])] : [];
  const changes = names
    .filter((name) => then?.[name] !== now[name])
    .map((name) => `${name} ${changeOf(then?.[name], now[name])}`);
  return changes.length > 0 ? changes.join(", ") : `the inputs changed since ${tag}`;
}

function changeOf(then: string | undefined, now: string | undefined): string {
  if (then === undefined) return `added (${now})`;
  if (now === undefined) return "removed";
  const [before, after] = [then.split(" "), now.split(" ")];
  // Of a list, such as packages, only what is different.
  if (before.length > 2 || after.length > 2) {
    const added = after.filter((each) => !before.includes(each)).map((each) => `+${each}`);
    const removed = before.filter((each) => !after.includes(each)).map((each) => `-${each}`);
    if (added.length + removed.length > 0) return [...added, ...removed].join(" ");
  }
  return `${then} -> ${now}`;
}
