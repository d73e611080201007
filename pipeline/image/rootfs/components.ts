import { createHash } from "node:crypto";
import type { Embedded } from "../../schema/cells.ts";
import { type Package, UNKNOWN_VERSION } from "../../schema/facts.ts";
import { declaredLicenses } from "../licenses/declared.ts";
import type { Rootfs } from "./normalise.ts";
import type { NpmPackage } from "./npm-packages.ts";
import { globs } from "./ownership/glob.ts";
import type { Recipe } from "./ownership/recipe.ts";
import { type LicensedPackage, listPackages } from "./packages.ts";
import type { Entry } from "./tar-index.ts";

/** Where a component is in an image. */
export interface Place {
  /** A directory of a package or a file, without a leading `/`. */
  readonly path: string;
  /** Of a single file. */
  readonly sha256?: string;
}

/** A component of an inventory: a package, or a program or library that no package manager installed. */
export interface Component extends LicensedPackage {
  /** Its vendor and product in the National Vulnerability Database, such as `nodejs:node.js`. */
  readonly cpe?: string | undefined;
  /** Where it was copied from. */
  readonly source?: string | undefined;
  /** Sorted. Packages of the distribution have none: the image has their lists. */
  readonly places?: readonly Place[];
}

/** This project's own program, which is in every image. */
const INIT = { type: "generic", name: "smolvm-init", version: UNKNOWN_VERSION } as const;

/** Package URLs of npm and GitHub have no capital letters: what differs by these alone is one component. */
const keyOf = ({ type, name, version }: Package) =>
  `${type} ${type === "npm" || type === "github" ? name.toLowerCase() : name} ${version}`;

/**
 * All components of a root file system, sorted: the packages of every package manager, what the recipe copies in, and what
 * npm packages have inside. A component that is there several times is listed once, with each place.
 */
export async function listComponents(
  rootfs: Rootfs,
  npm: readonly NpmPackage[],
  recipe: Recipe,
): Promise<Component[]> {
  const all: Component[] = [
    ...(await listPackages(rootfs, npm)),
    ...npm.map(({ directory, ...each }) => ({
      ...each,
      type: "npm" as const,
      places: [{ path: directory }],
    })),
  ];
  const entries = new Map(rootfs.entries.map((entry) => [entry.path, entry]));
  const init = entries.get("init");
  if (init?.type === "file")
    all.push({ ...INIT, license: declaredLicenses("Apache-2.0"), places: [await placeOf(rootfs, init)] });
  for (const { path, type, name, version, cpe, license, source } of recipe.copies) {
    const entry = entries.get(path.slice(1));
    if (!entry) continue;
    const known = { type, name, version: version ?? UNKNOWN_VERSION, license: declaredLicenses(license) };
    all.push({ ...known, cpe, source, places: [await placeOf(rootfs, entry)] });
  }
  for (const embedded of recipe.embeds) {
    const component = await readEmbedded(rootfs, embedded);
    if (component) all.push(component);
  }
  return merged(all);
}

/** The components, each once, with the places of all that are the same. */
function merged(all: readonly Component[]): Component[] {
  const byKey = new Map<string, Component>();
  for (const each of all) {
    const key = keyOf(each);
    const { places = [], ...known } = byKey.get(key) ?? {};
    byKey.set(key, {
      ...each,
      ...known,
      places: [...places, ...(each.places ?? [])].sort((a, b) => (a.path < b.path ? -1 : 1)),
    });
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

async function placeOf(rootfs: Rootfs, entry: Entry): Promise<Place> {
  if (entry.type !== "file") return { path: entry.path };
  const hash = createHash("sha256");
  for await (const chunk of rootfs.chunks(entry)) hash.update(chunk);
  return { path: entry.path, sha256: hash.digest("hex") };
}

/** A program inside a package; undefined if the image does not have it. */
async function readEmbedded(
  rootfs: Rootfs,
  { type, name, files, version, cpe, license }: Embedded,
): Promise<Component | undefined> {
  const patterns = files.map(globs);
  const found = rootfs.entries.filter(
    (entry) => entry.type === "file" && patterns.some((matches) => matches(`/${entry.path}`)),
  );
  if (found.length === 0) return undefined;
  const places: Place[] = [];
  for (const entry of found) places.push(await placeOf(rootfs, entry));
  const from = version && globs(version.from);
  const evidence = from && rootfs.entries.find((entry) => entry.type === "file" && from(`/${entry.path}`));
  const read = evidence && (await firstMatch(rootfs, evidence, new RegExp(version!.match)));
  return { type, name, version: read ?? UNKNOWN_VERSION, license: declaredLicenses(license), cpe, places };
}

/** The longest match that is found also where it lies across two chunks, characters. */
const LONGEST_MATCH = 256;
/** What a version may look like. Anything else that a pattern finds is no version. */
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}$/;

/** The group of the first match in a file, which is read as latin1 and in chunks; undefined if there is none. */
async function firstMatch(rootfs: Rootfs, entry: Entry, pattern: RegExp): Promise<string | undefined> {
  let tail = "";
  for await (const chunk of rootfs.chunks(entry)) {
    const text = tail + chunk.toString("latin1");
    const version = pattern.exec(text)?.[1];
    if (version !== undefined) return VERSION.test(version) ? version : undefined;
    tail = text.slice(-LONGEST_MATCH);
  }
  return undefined;
}
