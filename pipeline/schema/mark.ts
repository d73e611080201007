import { z } from "zod";
import { SHA256 } from "../util/hash.ts";
import { MANIFEST_ASSET, REPORT_ASSET, SUMS_ASSET } from "./names.ts";

/** The fields that the manifest has in every version. They identify it, because its format has no place for a mark. */
const AnyManifest = z.looseObject({
  schema_version: z.int(),
  tag: z.string(),
  repository: z.string(),
  kernels: z.array(z.unknown()),
  bases: z.array(z.unknown()),
  images: z.array(z.unknown()),
});

/** The fields that facts have in every version. */
const AnyFacts = z.looseObject({
  schema_version: z.int(),
  id: z.string(),
  asset: z.string(),
  sha256: z.string(),
  sbom: z.looseObject({ asset: z.string() }),
});

/** Whether a text is a manifest of images, of any version. */
export const isManifest = (text: string): boolean => parsed(text, AnyManifest) !== undefined;

/** The mark of a release's report, in its head. */
export const REPORT_MARK = '<meta name="generator" content="smolvm-images">';

/** If a text is the facts of an asset, the names of that asset and of its inventory; otherwise undefined. */
export function factsOf(text: string): { asset: string; sbom: string } | undefined {
  const facts = parsed(text, AnyFacts);
  return facts && { asset: facts.asset, sbom: facts.sbom.asset };
}

/** The file names of a release, for any presets and flavors. */
const RELEASE_FILE =
  /^(?:vmlinux-(?:amd64|arm64)\.(?:elf|image)|[a-z][a-z0-9-]*-rootfs\.ext4\.zst|[a-z][a-z0-9-]*\.cdx\.json)$/;

/** Whether `name` can be the name of a file of a release, of any version. */
export const isReleaseName = (name: string): boolean =>
  // `<asset>.json` are facts, but `<asset>.cdx.json` is an inventory: test the name with and without `.json`.
  [name, name.replace(/\.json$/, "")].some((each) => RELEASE_FILE.test(each)) ||
  [MANIFEST_ASSET, SUMS_ASSET, REPORT_ASSET].includes(name);

/** The names listed in a release's SHA256SUMS; undefined if a text is not in that format, or lists unknown names. */
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
