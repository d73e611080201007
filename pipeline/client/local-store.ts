import { readdir, stat } from "node:fs/promises";
import { basename, isAbsolute, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Cells } from "../schema/cells.ts";
import { Facts } from "../schema/facts.ts";
import { buildsOn } from "../schema/kinds/index.ts";
import { MANIFEST_PATH, type Manifest, manifestOf } from "../schema/manifest.ts";
import { errorCode } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { hostArch } from "../vm/accel.ts";
import { buildsCells, bundledCells, offeringRoot } from "./bundled.ts";
import { loadManifest, NotOffered, type Remote } from "./manifest.ts";

/** Where a file is had from, and what it must be. */
type Digest = Pick<Remote, "url" | "sha256"> & { readonly size: number };

/**
 * Looks something up in what is offered here: what was published and, where cells are built, what was built, which
 * wins. @param root the package, or a project
 * @throws NotOffered when it is not there; in a checkout it says how to build it
 */
export async function lookUp<T>(
  find: (manifest: Manifest) => T,
  run: Run,
  root = offeringRoot(),
): Promise<T> {
  const published = await loadManifest(join(root, MANIFEST_PATH));
  const cells = buildsCells(root) ? cellsOf(root, run) : undefined;
  if (!cells) return find(published);
  try {
    return find(await withBuilt(published, cells, root, run));
  } catch (error) {
    throw error instanceof NotOffered ? withAdvice(error, cells) : error;
  }
}

/** Whether a file is one that this checkout has built. */
export const isBuiltHere = ({ url }: Pick<Remote, "url">): boolean => url.startsWith("file:");

/** The directory that a built file is in, as one writes it here. */
export function storeOf({ url }: Pick<Remote, "url">): string {
  return shown(fileURLToPath(new URL(".", url)).replace(/\/$/, ""));
}

function cellsOf(root: string, run: Run): Cells | undefined {
  try {
    return bundledCells(root);
  } catch {
    run.progress.warn(
      "what this checkout has built is not offered: out/cells.json is damaged (`npx smolvm-images synth`)",
    );
    return undefined;
  }
}

/** The manifest of all files that can be had: the published ones, and in their place those of the directory store. */
async function withBuilt(published: Manifest, cells: Cells, root: string, run: Run): Promise<Manifest> {
  const built = await builtIn(join(root, "out/release", cells.tag), cells, run);
  if (built.size === 0) return published;
  const all = new Map([...digestsOf(published), ...built]);
  const digests = { tag: cells.tag, assets: Object.fromEntries(all) };
  return manifestOf(cells, digests, true, (asset) => all.get(asset)!.url);
}

/** The files that a manifest names, by their names. */
const digestsOf = ({ kernels, bases, images }: Manifest): [string, Digest][] =>
  [
    ...kernels,
    ...[...bases, ...images].map((row) => ({
      ...{ url: row.rootfs_url, sha256: row.rootfs_sha256, size: row.rootfs_size },
    })),
  ].map(({ url, sha256, size }) => [basename(new URL(url).pathname), { url, sha256, size }]);

/** The files of a directory store, by their names; what is not whole is left out, with one warning. */
async function builtIn(directory: string, cells: Cells, run: Run): Promise<Map<string, Digest>> {
  const built = new Map<string, Digest>();
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
    const digest = await digestOf(join(directory, asset));
    if (digest) built.set(asset, digest);
    else damaged.push(asset);
  }
  if (damaged.length > 0) {
    run.progress.warn(
      `${shown(directory)}: not whole, and not offered: ${damaged.join(", ")} (\`npx smolvm-images cell\` builds it again)`,
    );
  }
  return built;
}

/** A file, as the facts beside it say; undefined where it is not as they say, or they say nothing. */
async function digestOf(path: string): Promise<Digest | undefined> {
  try {
    const facts = await readRecord(`${path}.json`, Facts);
    const file = await stat(path);
    if (facts?.asset !== basename(path) || !file.isFile() || file.size !== facts.size) return undefined;
    return { url: pathToFileURL(path).href, sha256: facts.sha256, size: facts.size };
  } catch {
    return undefined;
  }
}

/** In a checkout, what is missing can be built, as far as this machine can. */
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

/** A path as one writes it here. */
function shown(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith("..") || isAbsolute(below) ? path : below;
}
