import type { Cells } from "../../schema/cells.ts";
import type { Inventory } from "../../schema/inventory.ts";
import { flavorOf } from "../../schema/kinds/index.ts";
import { refusedRows } from "../../schema/manifest.ts";
import { MANIFEST_BUNDLE_ASSET } from "../../schema/names.ts";
import type { RecordedDigests } from "../../schema/recorded-digests.ts";
import type { ReleaseStore, StoredRelease } from "../../stores/store.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { partsOfId } from "../diff/cell-names.ts";
import { type ReadCell, readOnlyManifest, readRelease } from "../diff/read.ts";
import { compareTags, familyOf, hasVersion } from "../tag-order.ts";
import type { PastRelease, Report, ReportedAsset } from "./report.ts";

/** How many releases the plots show, with this one. */
const RELEASES = 10;

export interface ReportOptions {
  readonly store: ReleaseStore;
  readonly release: StoredRelease;
  readonly cells: Cells;
  /** Inventories that were read before, by their sha256. @default none */
  readonly known?: Map<string, Inventory> | undefined;
  /** What is recorded of the release; it says what was carried over. @default what its manifest says */
  readonly digests?: RecordedDigests | undefined;
}

/**
 * The report of a release, from its manifest, its inventories, and the manifests of earlier releases. An earlier release that
 * cannot be read is left out, with a warning.
 * @throws PipelineError when the release itself cannot be read
 */
export async function readReport(options: ReportOptions, run: Run): Promise<Report> {
  const { store, release, cells, digests, known = new Map() } = options;
  const { manifest, cells: read } = await readRelease({ store, release, cells, known }, run);
  const assets = read.flatMap((cell) => assetsOf(cell, digests));
  const own = Object.fromEntries(assets.map(({ name, size, boot }) => [name, { size, boot }]));
  return {
    tag: release.tag,
    repository: cells.repository,
    url: store.isPublic ? release.url : undefined,
    attested: (await store.assets(release)).some(
      ({ name, complete }) => name === MANIFEST_BUNDLE_ASSET && complete,
    ),
    assets: assets.sort(inOrderOf(cells)),
    refused: manifest?.refused ?? refusedRows(cells),
    history: [...(await earlier(options, run)), { tag: release.tag, assets: own }],
  };
}

function assetsOf({ id, assets, packages, files }: ReadCell, digests?: RecordedDigests): ReportedAsset[] {
  const { name: what, arch, flavor } = partsOfId(id);
  return assets.map(({ name, sha256, size, content_size, boot, proven = [], from, sbom }) => ({
    ...{ name, what, flavor: flavor || null, arch, sha256, size, boot, proven },
    contentSize: content_size,
    from: digests?.assets[name]?.from ?? from,
    inventory: { asset: sbom.asset, packages, files: files ?? {} },
  }));
}

/** Kernels last; otherwise in the order of the declaration, and by name what is not declared any more. */
function inOrderOf({ cells }: Cells) {
  const names = cells.filter((cell) => flavorOf(cell) !== null).flatMap(({ assets }) => assets);
  const rank = ({ name, flavor }: ReportedAsset) => {
    const at = names.indexOf(name);
    return flavor === null ? names.length + 1 : at < 0 ? names.length : at;
  };
  return (a: ReportedAsset, b: ReportedAsset) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1);
}

/** The releases before this one, oldest first. */
async function earlier({ store, release }: ReportOptions, run: Run): Promise<PastRelease[]> {
  const { tag } = release;
  if (!hasVersion(tag)) return [];
  const before = (await store.list())
    .filter((each) => familyOf(each.tag) === familyOf(tag) && hasVersion(each.tag))
    .filter((each) => (each.state === "published" || !store.isPublic) && compareTags(each.tag, tag) < 0)
    .sort((a, b) => compareTags(a.tag, b.tag))
    .slice(-(RELEASES - 1));
  const past: PastRelease[] = [];
  for (const each of before) {
    run.progress.step(`read the manifest of ${each.tag}`);
    const manifest = await readOnlyManifest({ store, release: each }, run).catch((error: unknown) => {
      if (!(error instanceof PipelineError)) throw error;
      run.progress.warn(`the report leaves ${each.tag} out: ${error.message}`);
      return undefined;
    });
    if (manifest) past.push({ tag: each.tag, assets: manifest.assets });
  }
  return past;
}
