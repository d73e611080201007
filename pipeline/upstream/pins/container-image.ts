import semver from "semver";
import { unique } from "../../util/unique.ts";
import { imageName, Repository } from "../ask/registry.ts";
import type { Declared, Newest, Pin, Resolver } from "../pin.ts";
import { replaced, TOOLS_DOCKERFILE } from "../replace.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { flavorsOf, sourcesOf, titleOf } from "./flavors.ts";

/** Container images by digest: of flavors, of uv, of the tool container. */
export const containerImages: Resolver = (declared) => {
  const { release } = declared;
  const named = new Map<string, { name: string; within?: string }>();
  const add = (reference: string | undefined, pin: { name: string; within?: string }) => {
    if (reference !== undefined && !named.has(reference)) named.set(reference, pin);
  };
  for (const flavor of flavorsOf(release)) {
    for (const source of sourcesOf(flavor, release)) {
      if (source.from === "image")
        add(source.image, { name: `${titleOf(flavor, release)} image`, within: flavor.version });
    }
  }
  for (const { uv } of release.bases) add(uv, { name: "uv image" });
  add(toolsImage(declared), { name: "tools image" });
  return [...named].map(([reference, pin]) => pinOf(declared, pin, reference));
};

const toolsImage = ({ own }: Declared): string | undefined =>
  /^ARG ROOTFS=(\S+)$/m.exec(own(TOOLS_DOCKERFILE) ?? "")?.[1];

/** @param within the distribution's release: a person moves to another one */
function pinOf(
  { release }: Declared,
  { name, within }: { readonly name: string; readonly within?: string },
  reference: string,
): Pin {
  const image = imageName(reference);
  // A tag with three numbers stands for one version; `24.04` and `trixie-slim` are made again for each fix.
  const isVersion =
    image !== undefined && semver.valid(image.tag) !== null && semver.prerelease(image.tag) === null;
  const pinned = image === undefined ? reference : isVersion ? image.tag : short(image.digest);
  const newest = async (upstream: Upstream): Promise<Newest> => {
    if (image === undefined) throw new Unknown(reference, "it has no tag that could be looked up");
    if (isVersion && !isWithin(image.tag, within)) {
      throw new Unknown(reference, `its tag is no version of ${within}`);
    }
    const repository = new Repository(upstream, image.name);
    const [now, versions] = await Promise.all([
      repository.digestOf(image.tag),
      isVersion ? repository.versions() : [],
    ]);
    const later = versions
      .filter((tag) => isWithin(tag, within) && semver.gt(tag, image.tag))
      .sort(semver.rcompare);
    const tag = later[0] ?? image.tag;
    const digest = tag === image.tag ? now : await repository.digestOf(tag);
    const version = isVersion ? tag : short(digest);
    const changed =
      isVersion && now !== image.digest ? `${image.name}:${image.tag} has the digest ${now} now` : undefined;
    const outcome = { version, ...(changed === undefined ? {} : { changed }) };
    if (tag === image.tag && (isVersion || digest === image.digest)) return outcome;
    const [before, after] = await Promise.all([
      // Old images are removed at some time.
      repository.describe(image.digest).catch(unlessStopped(upstream)),
      repository.describe(digest),
    ]);
    const missing = release.archs.filter((arch) => !after.archs.includes(arch));
    if (missing.length > 0)
      throw new Unknown(`${image.name}:${tag}`, `it is not for ${unique(missing).join(", ")}`);
    if (tag === image.tag && before && after.created < before.created) {
      throw new Unknown(`${image.name}:${tag}`, "the tag has an older image now than the pinned one");
    }
    const days = before && Math.round((after.created.getTime() - before.created.getTime()) / 86_400_000);
    const by = `${image.name}:${tag}@${digest}`;
    return {
      ...outcome,
      behind: { ...(isVersion ? { versions: later.length } : {}), days },
      write: (to) => replaced(to, [{ find: reference, by, times: "all" }]),
    };
  };
  return { kind: "image", name, pinned, newest };
}

/** `3.24.2` is a version of `3.24`, and everything is one where no release is given. */
const isWithin = (tag: string, release: string | undefined): boolean =>
  release === undefined || tag === release || tag.startsWith(`${release}.`);

const unlessStopped = (upstream: Upstream) => (error: unknown) => {
  upstream.run.signal.throwIfAborted();
  if (!(error instanceof Unknown)) throw error;
  return undefined;
};

/** The first digits of a digest. */
const short = (digest: string) => digest.slice("sha256:".length, "sha256:".length + 12);
