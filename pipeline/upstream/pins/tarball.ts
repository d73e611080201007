import { unique } from "../../util/unique.ts";
import { alpineList } from "../ask/alpine-list.ts";
import type { ListFiles, PublishedFiles } from "../ask/published-files.ts";
import { ubuntuList } from "../ask/ubuntu-list.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { flavorsOf, sourcesOf, titleOf } from "./flavors.ts";

/** The publishers whose lists are known: by the name of a file, up to its version, and what follows it. */
const PUBLISHERS: readonly { readonly file: RegExp; readonly list: ListFiles }[] = [
  { file: /^(ubuntu-base-)(\d+\.\d+(?:\.\d+)?)(-base-\w+\.tar\.gz)$/, list: ubuntuList },
  { file: /^(alpine-minirootfs-)(\d+\.\d+\.\d+)(-\w+\.tar\.gz)$/, list: alpineList },
];

interface File {
  readonly directory: string;
  readonly sha256: string;
  readonly version: string;
  /** The name of the file of a version. */
  readonly named: (version: string) => string;
  /** The part of the name that changes with the version, and is the same for each arch. */
  readonly head: (version: string) => string;
  readonly list: ListFiles;
}

/** Root file system tarballs, at the newest point release in the same directory. */
export const tarballs: Resolver = ({ release }) =>
  flavorsOf(release).flatMap((flavor) => {
    const sources = sourcesOf(flavor, release).flatMap((each) => (each.from === "tarball" ? [each] : []));
    return sources.length > 0 ? [pinOf(`${titleOf(flavor, release)} tarball`, sources)] : [];
  });

function pinOf(name: string, sources: readonly { url: string; sha256: string }[]): Pin {
  const files = sources.map(fileOf);
  const known = files.filter((file) => file !== undefined);
  const versions = unique(known.map(({ version }) => version));
  const pinned = versions.join(", ") || sources[0]!.sha256.slice(0, 12);
  const newest = async (upstream: Upstream): Promise<Newest> => {
    if (known.length < files.length) {
      throw new Unknown(sources[files.indexOf(undefined)]!.url, "no list of checksums beside it is known");
    }
    const lists = await Promise.all(known.map(({ list, directory }) => list(upstream, directory)));
    const offered = known.map((file, at) => versionsIn(file, lists[at]!));
    // A version counts once every arch has it.
    const version = offered[0]!
      .filter((each) => offered.every((all) => all.includes(each)))
      .sort(compare)
      .at(-1);
    if (version === undefined)
      throw new Unknown(known[0]!.directory, "its list has no such file for each arch");
    const note = lists.find((list) => list.note !== undefined)?.note;
    const others = known.filter((file, at) => {
      const now = lists[at]!.sums.get(file.named(file.version));
      return now !== undefined && now !== file.sha256;
    });
    const outcome = {
      version,
      ...(note === undefined ? {} : { note }),
      ...(others.length > 0
        ? {
            changed: `${others.map((file) => file.named(file.version)).join(", ")}: the list has another sha256 now`,
          }
        : {}),
    };
    if (versions.every((each) => compare(each, version) >= 0)) return outcome;
    const replacements = known.flatMap((file, at) => [
      { find: file.sha256, by: lists[at]!.sums.get(file.named(version))!, times: "all" as const },
    ]);
    const heads = unique(known.map((file) => `${file.head(file.version)}\n${file.head(version)}`)).map(
      (pair) => {
        const [find = "", by = ""] = pair.split("\n");
        return { find, by, times: "all" as const };
      },
    );
    return {
      ...outcome,
      behind: { versions: pointReleases(pinned, version) },
      write: (to) => replaced(to, [...heads, ...replacements]),
    };
  };
  return { kind: "tarball", name, pinned, newest };
}

function fileOf({ url, sha256 }: { url: string; sha256: string }): File | undefined {
  const at = url.lastIndexOf("/");
  for (const { file, list } of PUBLISHERS) {
    const [, before, version, after] = file.exec(url.slice(at + 1)) ?? [];
    if (before === undefined || version === undefined || after === undefined) continue;
    const named = (other: string) => `${before}${other}${after}`;
    const head = (other: string) => `${before}${other}-`;
    return { directory: url.slice(0, at), sha256, version, named, head, list };
  }
  return undefined;
}

/** The versions of which a list has this file. */
const versionsIn = ({ named }: File, { sums }: PublishedFiles): string[] => {
  const [before = "", after = ""] = named("\n").split("\n");
  return [...sums.keys()]
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => name.slice(before.length, name.length - after.length))
    .filter((version) => /^\d+(\.\d+)*$/.test(version));
};

/** Orders versions of two or three numbers. */
function compare(a: string, b: string): number {
  const [one, other] = [a, b].map((version) => version.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const order = (one![at] ?? 0) - (other![at] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** How many point releases lie between two versions of one release; undefined if they are of different ones. */
function pointReleases(pinned: string, newest: string): number | undefined {
  const [one, other] = [pinned, newest].map((version) => version.split(".").map(Number));
  if (one![0] !== other![0] || one![1] !== other![1]) return undefined;
  return (other![2] ?? 0) - (one![2] ?? 0);
}
