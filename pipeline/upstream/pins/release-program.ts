import { posix } from "node:path";
import semver from "semver";
import type { ApplianceProgram, ReleaseFile } from "../../constructs/initramfs/program.ts";
import { SHA256 } from "../../util/hash.ts";
import { unique } from "../../util/unique.ts";
import { publishedReleases } from "../ask/github-releases.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { type Replacement, replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** `https://github.com/OWNER/NAME/releases/download/TAG/FILE`. */
const ASSET = /^(https?:\/\/[^/]+\/([\w.-]+\/[\w.-]+)\/releases\/download)\/([^/]+)\/([^/]+)$/;

/** Tags and names of files that are written into the declaration. Addresses with a tag that has a slash are not known. */
const SAFE = /^[\w.+-]+$/;

interface File {
  readonly url: string;
  /** undefined for a program of an appliance that has none. */
  readonly sha256: string | undefined;
  readonly base: string;
  readonly repository: string;
  readonly tag: string;
  readonly name: string;
}

/** GitHub's address of a file in the newest release, which pins nothing. */
const LATEST = /\/releases\/latest\/download\//;

/** The programs of bases and appliances, from releases on GitHub. */
export const releasePrograms: Resolver = ({ release: { bases, appliances } }) => {
  const programs = [...bases, ...appliances].flatMap((each): readonly ApplianceProgram[] => each.programs);
  const pinned = programs.filter(({ files }) => !Object.values(files).some(({ url }) => LATEST.test(url)));
  // Several bases, or appliances, may have the same program.
  return [...new Map(pinned.map((each) => [JSON.stringify(each), each])).values()].map(pinOf);
};

function pinOf({ path, files: byArch }: ApplianceProgram): Pin {
  const tarballs = Object.values(byArch);
  const files = tarballs.flatMap(fileOf);
  const tags = unique(files.map(({ tag }) => tag));
  const repositories = unique(files.map(({ repository }) => repository));
  const [pinned = tarballs[0]?.sha256?.slice(0, 12) ?? ""] = tags;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    if (files.length < tarballs.length || tags.length !== 1 || repositories.length !== 1) {
      throw new Unknown(path, "its files are not of one release on GitHub");
    }
    const repository = repositories[0]!;
    const all = (await publishedReleases(upstream, repository)).filter(
      ({ tag_name }) => familyOf(tag_name) === familyOf(pinned),
    );
    const own = all.find(({ tag_name }) => tag_name === pinned);
    if (own === undefined) throw new Unknown(repository, `the release ${pinned} is not among the newest 100`);
    // GitHub's order is that of days, and a fix of an older version may be the last one published.
    const later = all
      .filter(({ tag_name }) => isFinal(tag_name) && compare(tag_name, pinned) > 0)
      .sort((a, b) => compare(b.tag_name, a.tag_name));
    const [first = own] = later;
    if (!SAFE.test(first.tag_name)) throw new Unknown(repository, `${first.tag_name} is no tag of a version`);
    const digestOf = (release: (typeof all)[number], name: string): string | undefined =>
      release.assets.find((asset) => asset.name === name)?.digest?.replace(/^sha256:/, "");
    const others = files.filter(({ name, sha256 }) => {
      const now = digestOf(own, name);
      return sha256 !== undefined && now !== undefined && now !== sha256;
    });
    // What GitHub says is no confirmation by a person, who may compare it with another source.
    const untold = files.flatMap(({ name, sha256 }) => {
      const now = digestOf(own, name);
      return sha256 === undefined && now !== undefined
        ? [`${name} is not pinned; GitHub has the sha256 ${now}`]
        : [];
    });
    const outcome = {
      version: first.tag_name,
      ...(others.length > 0
        ? { changed: `${others.map(({ name }) => name).join(", ")} of ${pinned} has another sha256 now` }
        : {}),
      ...(untold.length > 0 ? { note: untold.join("; ") } : {}),
    };
    if (first === own) return outcome;
    const replacements = files.flatMap((file): Replacement[] => {
      const name = file.name.replaceAll(numberOf(pinned), numberOf(first.tag_name));
      if (!SAFE.test(name)) throw new Unknown(repository, `${name} is no name of a file`);
      const address = { find: file.url, by: `${file.base}/${first.tag_name}/${name}`, times: "all" } as const;
      if (file.sha256 === undefined) {
        if (first.assets.some((asset) => asset.name === name)) return [address];
        throw new Unknown(repository, `${first.tag_name} has no ${name}`);
      }
      const sha256 = digestOf(first, name) ?? "";
      if (!SHA256.test(sha256)) {
        throw new Unknown(repository, `GitHub has no sha256 of ${name} in ${first.tag_name}`);
      }
      return [address, { find: file.sha256, by: sha256, times: "all" }];
    });
    const days = (Date.parse(first.published_at ?? "") - Date.parse(own.published_at ?? "")) / 86_400_000;
    return {
      ...outcome,
      behind: { versions: later.length, days: Number.isNaN(days) ? undefined : Math.round(days) },
      write: (to) => replaced(to, replacements),
    };
  };
  return { kind: "program", name: posix.basename(path), pinned, newest };
}

function fileOf({ url, sha256 }: ReleaseFile): File[] {
  const [, base, repository, tag, name] = ASSET.exec(url) ?? [];
  if (!base || !repository || !tag || !name) return [];
  return [{ url, sha256, base, repository, tag, name }];
}

/** The part of a tag before its version: other products of the repository have other ones. */
const familyOf = (tag: string) => tag.replace(/\d.*$/, "");
const numberOf = (tag: string) => tag.slice(familyOf(tag).length);

/** Whether a tag is no prerelease of a version. Its release may not be marked as one. */
const isFinal = (tag: string) => (semver.parse(numberOf(tag))?.prerelease.length ?? 0) === 0;

/** Orders tags of one family: by version, or else by their numbers (`2026-10-18`, `1.2.3.4`). */
function compare(a: string, b: string): number {
  const [one, other] = [a, b].map((tag) => semver.parse(numberOf(tag)));
  if (one && other) return semver.compare(one, other);
  const [left, right] = [a, b].map((tag) => (numberOf(tag).match(/\d+/g) ?? []).map(Number));
  for (let at = 0; at < Math.max(left!.length, right!.length); at++) {
    const order = (left![at] ?? 0) - (right![at] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}
