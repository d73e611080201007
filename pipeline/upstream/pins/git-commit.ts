import type { PresetLayer } from "../../constructs/preset-layer.ts";
import { daysBetween, versionTags } from "../ask/git-tags.ts";
import type { Newest, Pin, Resolver } from "../pin.ts";
import { replaced } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";

/** Presets from a git repository, each at a commit with a tag. */
export const gitCommits: Resolver = ({ release }) => release.presets.flatMap(pinOf);

function pinOf({ preset, install }: PresetLayer): Pin[] {
  if (install.method !== "uv") return [];
  const { repository, commit } = install;
  const newest = async (upstream: Upstream): Promise<Newest> => {
    const tags = await versionTags(upstream, repository);
    const [first] = tags;
    const at = tags.findIndex((each) => each.commit === commit);
    // A commit without a tag may be older or newer than every tag.
    if (first === undefined || at < 0)
      throw new Unknown(repository, `no version's tag is at ${short(commit)}`);
    const pinned = tags[at]!.tag;
    if (first.commit === commit) return { version: short(commit), note: `${first.tag}` };
    return {
      version: short(first.commit),
      note: `${pinned} -> ${first.tag}`,
      behind: { versions: at, days: await daysBetween(upstream, repository, commit, first.commit) },
      write: (to) =>
        replaced(to, [
          { find: commit, by: first.commit, times: "all" },
          // A comment may name the tag of a commit.
          { find: ` ${pinned} `, by: ` ${first.tag} `, times: "mention" },
        ]),
    };
  };
  return [{ kind: "git", name: preset, pinned: short(commit), newest }];
}

const short = (commit: string) => commit.slice(0, 12);
