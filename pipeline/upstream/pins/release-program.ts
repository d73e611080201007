import { posix } from "node:path";
import type { Program } from "../../constructs/program.ts";
import { SHA256 } from "../../util/hash.ts";
import { unique } from "../../util/unique.ts";
import { publishedReleases } from "../ask/github-releases.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { type Replacement, replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** `https://github.com/OWNER/NAME/releases/download/TAG/FILE`. */
const ASSET = /^(https?:\/\/[^/]+\/([\w.-]+\/[\w.-]+)\/releases\/download)\/([^/]+)\/([^/]+)$/;

interface File {
  readonly url: string;
  readonly sha256: string;
  readonly base: string;
  readonly repository: string;
  readonly tag: string;
  readonly name: string;
}

/** The programs of bases, from releases on GitHub. */
export const releasePrograms: Resolver = ({ release }) => {
  const byPath = new Map(release.bases.flatMap(({ programs }) => programs.map((each) => [each.path, each])));
  return [...byPath.values()].map(pinOf);
};

function pinOf({ path, files: byArch }: Program): Pin {
  const tarballs = Object.values(byArch);
  const files = tarballs.flatMap(fileOf);
  const tags = unique(files.map(({ tag }) => tag));
  const repositories = unique(files.map(({ repository }) => repository));
  const [pinned = tarballs[0]?.sha256.slice(0, 12) ?? ""] = tags;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    if (files.length < tarballs.length || tags.length !== 1 || repositories.length !== 1) {
      throw new Unknown(path, "its files are not of one release on GitHub");
    }
    const repository = repositories[0]!;
    const all = (await publishedReleases(upstream, repository)).filter(
      ({ tag_name }) => familyOf(tag_name) === familyOf(pinned),
    );
    const at = all.findIndex(({ tag_name }) => tag_name === pinned);
    if (at < 0) throw new Unknown(repository, `the release ${pinned} is not among the newest 100`);
    const [first] = all;
    const digestOf = (release: (typeof all)[number], name: string): string | undefined =>
      release.assets.find((asset) => asset.name === name)?.digest?.replace(/^sha256:/, "");
    const others = files.filter(({ name, sha256 }) => {
      const now = digestOf(all[at]!, name);
      return now !== undefined && now !== sha256;
    });
    const outcome = {
      version: first!.tag_name,
      ...(others.length > 0
        ? { changed: `${others.map(({ name }) => name).join(", ")} of ${pinned} has another sha256 now` }
        : {}),
    };
    if (at === 0) return outcome;
    const replacements = files.flatMap((file): Replacement[] => {
      const name = file.name.replaceAll(numberOf(pinned), numberOf(first!.tag_name));
      const sha256 = digestOf(first!, name) ?? "";
      if (!SHA256.test(sha256)) {
        throw new Unknown(repository, `GitHub has no sha256 of ${name} in ${first!.tag_name}`);
      }
      return [
        { find: file.url, by: `${file.base}/${first!.tag_name}/${name}`, times: "all" },
        { find: file.sha256, by: sha256, times: "all" },
      ];
    });
    const days =
      (Date.parse(first!.published_at ?? "") - Date.parse(all[at]!.published_at ?? "")) / 86_400_000;
    return {
      ...outcome,
      behind: { versions: at, days: Number.isNaN(days) ? undefined : Math.round(days) },
      write: (to) => replaced(to, replacements),
    };
  };
  return { kind: "program", name: posix.basename(path), pinned, newest };
}

function fileOf({ url, sha256 }: { url: string; sha256: string }): File[] {
  const [, base, repository, tag, name] = ASSET.exec(url) ?? [];
  if (!base || !repository || !tag || !name) return [];
  return [{ url, sha256, base, repository, tag, name }];
}

/** The part of a tag before its version: other products of the repository have other ones. */
const familyOf = (tag: string) => tag.replace(/\d.*$/, "");
const numberOf = (tag: string) => tag.slice(familyOf(tag).length);
