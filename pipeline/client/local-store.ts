import { readdir, stat } from "node:fs/promises";
import { basename, isAbsolute, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Cells } from "../schema/cells.ts";
import { Facts } from "../schema/facts.ts";
import { buildsOn } from "../schema/kinds/index.ts";
import { type Asset, filesOf, type Manifest, manifestOf } from "../schema/manifest.ts";
import { assetNameOf } from "../schema/names.ts";
import { recordedAsset } from "../schema/recorded-digests.ts";
import { errorCode } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { hostArch } from "../vm/accel.ts";
import { buildsCells, bundledCells, offeringRoot } from "./bundled.ts";
import { offeredManifest } from "./load-manifest.ts";
import { NotOffered, type Remote } from "./manifest.ts";
import type { ProvenanceOptions } from "./provenance.ts";
import { tagOverride } from "./release-manifest.ts";

/** What is known of a file, and its address. */
type Located = Asset & Pick<Remote, "url">;

/**
 * Looks something up in a manifest of all images that are offered: the published ones and, in a project where cells
 * are built, the staged ones, which take precedence.
 * @param root the root of the package or project
 * @throws NotOffered if `find` finds nothing; where cells can be built, it says how to build it
 */
export async function lookUp<T>(
  find: (manifest: Manifest) => T,
  run: Run,
  root = offeringRoot(),
  provenance: ProvenanceOptions = {},
): Promise<T> {
  const published = await offeredManifest(run, root, provenance);
  // What is built here belongs to the declared tag.
  if (tagOverride() !== undefined) return find(published);
  const cells = buildsCells(root) ? cellsOf(root, run) : undefined;
  if (!cells) return find(published);
  try {
    return find(await withBuilt(published, cells, root, run));
  } catch (error) {
    throw error instanceof NotOffered ? withAdvice(error, cells) : error;
  }
}

/** Whether a file was built in this checkout. */
export const isBuiltHere = ({ url }: Pick<Remote, "url">): boolean => url.startsWith("file:");

/** The directory of a locally built file, relative to the current directory if it is below it. */
export function storeOf({ url }: Pick<Remote, "url">): string {
  return shown(fileURLToPath(new URL(".", url)).replace(/\/$/, ""));
}

function cellsOf(root: string, run: Run): Cells | undefined {
  try {
    return bundledCells(root);
  } catch {
    run.progress.warn(
      "locally built images are not offered, because out/cells.json is damaged: run `npx smolvm-images synth`",
    );
    return undefined;
  }
}

/** The published manifest, in which files of the staging directory replace the published ones of the same name. */
async function withBuilt(published: Manifest, cells: Cells, root: string, run: Run): Promise<Manifest> {
  const built = await builtIn(join(root, "out/release", cells.tag), cells, run);
  if (built.size === 0) return published;
  const all = new Map([...locatedIn(published), ...built]);
  const digests = { tag: cells.tag, assets: Object.fromEntries(all) };
  return manifestOf(cells, digests, true, (asset) => all.get(asset)!.url);
}

/** The files that a manifest names, by asset name. */
const locatedIn = (manifest: Manifest): [string, Located][] =>
  filesOf(manifest).flatMap(({ url }) => {
    const name = assetNameOf(url);
    const known = manifest.assets[name];
    return known ? [[name, { ...known, url }]] : [];
  });

/** The assets of a staging directory, by name. Damaged ones, and those of another version, are left out with one warning. */
async function builtIn(directory: string, cells: Cells, run: Run): Promise<Map<string, Located>> {
  const built = new Map<string, Located>();
  const damaged: string[] = [];
  let names: Set<string>;
  try {
    names = new Set(await readdir(directory));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") run.progress.warn(`${shown(directory)}: ${(error as Error).message}`);
    return built;
  }
  for (const asset of cells.cells.flatMap(({ assets }) => assets)) {
    if (!names.has(`${asset}.json`)) continue;
    const located = await stagedAt(join(directory, asset));
    if (located) built.set(asset, located);
    else damaged.push(asset);
  }
  if (damaged.length > 0) {
    run.progress.warn(
      `${shown(directory)}: not offered, because damaged or of another version of the pipeline: ${damaged.join(", ")}; rebuild with \`npx smolvm-images cell\``,
    );
  }
  return built;
}

/** A staged asset, as its facts say; undefined if the file and its facts do not match. */
async function stagedAt(path: string): Promise<Located | undefined> {
  try {
    const facts = await readRecord(`${path}.json`, Facts);
    const file = await stat(path);
    if (facts?.asset !== basename(path) || !file.isFile() || file.size !== facts.size) return undefined;
    return { ...recordedAsset(facts), url: pathToFileURL(path).href };
  } catch {
    return undefined;
  }
}

/** Adds the command that builds what is missing, if this machine can build it. */
function withAdvice(error: NotOffered, { cells }: Cells): NotOffered {
  const buildable = error.cells.every((id) =>
    cells.some((cell) => cell.id === id && buildsOn(hostArch(), cell)),
  );
  if (!buildable) return error;
  return new NotOffered(
    `${error.message}; to build it here: \`npx smolvm-images cell ${error.cells.join(" ")}\``,
    error.cells,
  );
}

/** A path, relative to the current directory if it is below it. */
function shown(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith("..") || isAbsolute(below) ? path : below;
}
