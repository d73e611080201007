import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inputsWith } from "../../plan/freshness.ts";
import type { Cells } from "../../schema/cells.ts";
import { type Inventory, MOST_SBOM_BYTES, readInventory } from "../../schema/inventory.ts";
import { type Asset, Manifest } from "../../schema/manifest.ts";
import { MANIFEST_ASSET } from "../../schema/names.ts";
import { recordedAsset } from "../../schema/recorded-digests.ts";
import { StagingDirectory } from "../../stores/directory/staging.ts";
import type { Expected, ReleaseStore, StoredAsset, StoredRelease } from "../../stores/store.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { reasonOf } from "../../util/reason.ts";
import type { AssetContents, CellContents } from "./contents.ts";

/** The maximum size of a manifest, bytes. */
const MOST_MANIFEST_BYTES = 16 << 20;

/** What was read of a release. A comparison needs less. */
export interface ReadRelease {
  readonly tag: string;
  readonly manifest: Manifest | undefined;
  readonly cells: readonly ReadCell[];
}
export interface ReadCell extends CellContents {
  readonly assets: readonly ReadAsset[];
  readonly packages: Inventory["packages"];
}
interface ReadAsset extends AssetContents, Pick<Asset, "proven" | "from" | "sbom"> {}

/** Where a release is, and what helps to read it. */
export interface Reading {
  readonly store: ReleaseStore;
  readonly release: StoredRelease;
  /** The project's cells. They say what the staged assets of a directory were made from. */
  readonly cells: Cells;
  /** Inventories that were read before, by their sha256. Those that are read are added. */
  readonly known: Map<string, Inventory>;
  /** Names of files that must be there. The list of a release may be stale, and is then read again. @default none */
  readonly awaited?: readonly string[];
}

/**
 * What is in a release, from its manifest and its inventories; for a staging directory, from its facts. Every file is checked
 * against its digest.
 * @throws PipelineError when it is not a release of this program, or one of its files is missing or not valid
 */
export async function readRelease(reading: Reading, run: Run): Promise<ReadRelease> {
  const { store, release, awaited } = reading;
  run.progress.step(`read ${placeOf(reading)}`);
  return await inDirectory(async (directory) => {
    const present = await presentIn(store, release, awaited);
    const manifest = await readManifest(reading, present.get(MANIFEST_ASSET), directory, run);
    const staged = store.isPublic ? {} : await stagedAssets(reading, manifest);
    const assets = { ...manifest?.assets, ...staged };
    if (Object.keys(assets).length === 0) throw nothingIn(reading, manifest !== undefined);
    return {
      tag: manifest?.tag ?? release.tag,
      manifest,
      cells: await readCells({ ...reading, present, directory }, assets, run),
    };
  });
}

/** The manifest of a release; undefined if it has none. @throws PipelineError when it is not valid */
export async function readOnlyManifest(
  where: Pick<Reading, "store" | "release">,
  run: Run,
): Promise<Manifest | undefined> {
  return await inDirectory(async (directory) => {
    const present = await presentIn(where.store, where.release);
    return await readManifest(where, present.get(MANIFEST_ASSET), directory, run);
  });
}

/** Calls `use` with a temporary directory, and removes the directory afterwards. */
async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "smolvm-diff-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Present = ReadonlyMap<string, StoredAsset>;

const presentIn = async (store: ReleaseStore, release: StoredRelease, awaited?: readonly string[]) =>
  new Map(
    (await store.assets(release, awaited))
      .filter(({ complete }) => complete)
      .map((each) => [each.name, each]),
  );

/** Where a release is, for messages. */
const placeOf = ({ store, release }: Pick<Reading, "store" | "release">): string =>
  store.isPublic ? `${release.tag} on ${store.name}` : release.url;

/** @param isEmpty whether it has a manifest, which names nothing */
function nothingIn(reading: Reading, isEmpty: boolean): PipelineError {
  const what = placeOf(reading);
  if (!reading.store.isPublic) {
    return new PipelineError(`there is no release in ${what}`, {
      ...{ code: "not-offered", fix: "give a directory with staged cells, or with the files of a release" },
    });
  }
  return new PipelineError(`${what} has no ${isEmpty ? "assets in its manifest" : MANIFEST_ASSET}`, {
    code: "not-offered",
    fix: "`npx smolvm-images release publish` adds it to a draft; other programs' releases cannot be compared",
  });
}

async function readManifest(
  reading: Pick<Reading, "store" | "release">,
  asset: StoredAsset | undefined,
  directory: string,
  run: Run,
): Promise<Manifest | undefined> {
  if (!asset) return undefined;
  const { store } = reading;
  const { name, size } = asset;
  const where = `${name} of ${placeOf(reading)}`;
  if (size > MOST_MANIFEST_BYTES) throw new PipelineError(`${where} has too many bytes (${size})`);
  run.signal.throwIfAborted();
  const file = { name, size, sha256: await store.digest(asset) };
  return await parsed(
    where,
    (content) => Manifest.parse(content),
    await textOf(store, asset, file, directory),
  );
}

/** Parses JSON. @throws PipelineError that says where it is from */
async function parsed<T>(where: string, parse: (content: unknown) => T, text: string): Promise<T> {
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${where} cannot be read (${reasonOf(cause)})`, {
      fix: "another version of this program may have written it",
      cause,
    });
  }
}

async function textOf(
  store: ReleaseStore,
  from: StoredAsset,
  file: Expected,
  directory: string,
): Promise<string> {
  const path = join(directory, "file");
  try {
    await store.save({ ...file, from }, path);
  } catch (error) {
    if (!(error instanceof PipelineError) || error.code !== "asset-conflict") throw error;
    throw new PipelineError(error.problem, {
      ...{ code: "digest-mismatch", fix: "look at it with `npx smolvm-images release verify --download`" },
      cause: error,
    });
  }
  return await readFile(path, "utf8");
}

/** The staged assets of a directory. A manifest says of the same bytes what they were made from; otherwise, the cells do. */
async function stagedAssets(
  { release, cells }: Reading,
  manifest: Manifest | undefined,
): Promise<Record<string, Asset>> {
  const all = await new StagingDirectory(release.id).all();
  const assets = all.map((facts): [string, Asset] => {
    const published = manifest?.assets[facts.asset];
    if (published?.sha256 === facts.sha256) return [facts.asset, published];
    const cell = cells.cells.find(({ id }) => id === facts.id);
    const isSame = cell !== undefined && facts.inputs === inputsWith(cell, facts.overrides);
    return [facts.asset, recordedAsset(facts, isSame ? cell.made_from : undefined)];
  });
  return Object.fromEntries(assets);
}

async function readCells(
  reading: Reading & { readonly present: Present; readonly directory: string },
  assets: Readonly<Record<string, Asset>>,
  run: Run,
): Promise<ReadCell[]> {
  const { store, release } = reading;
  const names = [...new Set(Object.values(assets).map(({ sbom }) => sbom.asset))];
  const isThere = names.every((name) => reading.present.has(name));
  const present = isThere ? reading.present : await presentIn(store, release, reading.awaited && names);
  const cells = new Map<string, ReadCell>();
  for (const [name, { made_from, ...recorded }] of Object.entries(assets)) {
    const { id, packages, files } = await inventoryOf({ ...reading, present }, recorded.sbom, run);
    const { assets: others = [] } = cells.get(id) ?? {};
    const asset = { name, ...recorded };
    cells.set(id, { id, assets: [...others, asset], made_from, packages, files });
  }
  return [...cells.values()];
}

async function inventoryOf(
  reading: Reading & { readonly present: Present; readonly directory: string },
  { asset: name, sha256, size }: Asset["sbom"],
  run: Run,
): Promise<Inventory> {
  const { store, known, present, directory } = reading;
  const before = known.get(sha256);
  if (before) return before;
  const where = `${name} of ${placeOf(reading)}`;
  const from = present.get(name);
  if (!from) throw new PipelineError(`${where} is missing`, { code: "not-offered" });
  if (size > MOST_SBOM_BYTES) throw new PipelineError(`${where} has too many bytes (${size})`);
  run.signal.throwIfAborted();
  const text = await textOf(store, from, { name, sha256, size }, directory);
  const inventory = await parsed(where, readInventory, text);
  known.set(sha256, inventory);
  return inventory;
}
