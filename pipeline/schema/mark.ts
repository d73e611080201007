import { z } from "zod";
import { SHA256 } from "../util/hash.ts";
import { MANIFEST_ASSET, SUMS_ASSET } from "./names.ts";

/** What every version's manifest has: it has no room for a mark, and is known by this. */
const AnyManifest = z.looseObject({
  schema_version: z.int(),
  tag: z.string(),
  repository: z.string(),
  kernels: z.array(z.unknown()),
  bases: z.array(z.unknown()),
  images: z.array(z.unknown()),
});

/** What every version's facts have. */
const AnyFacts = z.looseObject({
  schema_version: z.int(),
  id: z.string(),
  asset: z.string(),
  sha256: z.string(),
  sbom: z.looseObject({ asset: z.string() }),
});

/** Whether a text is a manifest of images, of whatever version. */
export const isManifest = (text: string): boolean => parsed(text, AnyManifest) !== undefined;

/** The names of the asset and the inventory that a text is the facts of; undefined where it is no asset's facts. */
export function factsOf(text: string): { asset: string; sbom: string } | undefined {
  const facts = parsed(text, AnyFacts);
  return facts && { asset: facts.asset, sbom: facts.sbom.asset };
}

/** How the files of a release are called, of whoever's presets and flavors. */
const RELEASE_FILE =
  /^(?:vmlinux-(?:amd64|arm64)\.(?:elf|image)|[a-z][a-z0-9-]*-rootfs\.ext4\.zst|[a-z][a-z0-9-]*\.cdx\.json)$/;

/** Whether a file of a release, of whatever version, may be called so. */
export const isReleaseName = (name: string): boolean =>
  // An inventory's own name ends as facts do.
  [name, name.replace(/\.json$/, "")].some((each) => RELEASE_FILE.test(each)) ||
  name === MANIFEST_ASSET ||
  name === SUMS_ASSET;

/** The names that the sums of a release list; undefined where a text is not such sums. */
export function summedNames(text: string, known: ReadonlySet<string>): string[] | undefined {
  const names: string[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const [, sha256 = "", name = ""] = /^(\S+) {2}(.+)$/.exec(line) ?? [];
    if (!SHA256.test(sha256)) return undefined;
    if (!RELEASE_FILE.test(name) && !known.has(name) && name !== MANIFEST_ASSET) return undefined;
    names.push(name);
  }
  return text === "" || text.endsWith("\n") ? names : undefined;
}

function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
