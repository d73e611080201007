import { join } from "node:path";
import type { Cells } from "../schema/cells.ts";
import { DEFAULT_VMM } from "../schema/defaults.ts";
import { assetNames, type Coordinates, cellId } from "../schema/kinds/index.ts";
import { MANIFEST_PATH, Manifest } from "../schema/manifest.ts";
import { type Arch, kernelFormatOf, type Vmm } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { proxiedFetch, USER_AGENT } from "../util/http.ts";
import { placeOf } from "../util/place.ts";
import { readText, textOf } from "../util/read-text.ts";
import { reasonOf } from "../util/reason.ts";
import { unique } from "../util/unique.ts";
import { hostArch } from "../vm/accel.ts";
import { bundledCells, offeringRoot } from "./bundled.ts";

/** How long a server may send nothing while a manifest is downloaded, ms. */
const SILENCE_MS = 20_000;

/** Identifies the image of a preset. */
export interface ImageQuery extends BaseQuery {
  readonly preset: string;
}

/** Identifies the image of a base. The kernel depends on `vmm`. */
export interface BaseQuery {
  /** @default the host's */
  readonly arch?: Arch;
  /** @default DEFAULT_VMM */
  readonly vmm?: Vmm;
  /** @default the manifest's default flavor */
  readonly flavor?: string | undefined;
}

const withDefaults = <T extends BaseQuery>(manifest: Manifest, query: T) => ({
  ...query,
  arch: query.arch ?? hostArch(),
  vmm: query.vmm ?? DEFAULT_VMM,
  flavor: query.flavor ?? defaultFlavor(manifest),
});
type Image = ReturnType<typeof withDefaults<ImageQuery>>;

/** The default flavor: the one whose base has no flavor in its asset's name. If there is no such base, the declared one. */
export function defaultFlavor({ bases }: Manifest): string {
  const found = bases.find(({ flavor, arch, rootfs_url: url }) =>
    assetNames({ kind: "base", arch, flavor }, flavor).includes(url.split("/").at(-1)!),
  );
  return found?.flavor ?? bundledCells(offeringRoot()).default_flavor;
}

/** A file that a manifest names: its address, and the digest and size of the asset (not unpacked). */
export interface Remote {
  readonly url: string;
  readonly sha256: string;
  /** Bytes; undefined if the manifest does not have it. */
  readonly size: number | undefined;
}

/** The largest manifest that is read, bytes. One with 48 rows has 30 kB. */
const MOST = 16 << 20;

/**
 * Reads a manifest from a path, or a file: or http(s): address. @default the manifest of `offeringRoot()`
 * @throws PipelineError if it cannot be read, or is not valid; it names the wrong field
 */
export async function loadManifest(from?: string, signal?: AbortSignal): Promise<Manifest> {
  const source = from ?? join(offeringRoot(), MANIFEST_PATH);
  let text: string;
  try {
    text = await fetchText(source, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof PipelineError) throw cause;
    throw new PipelineError(`cannot read the manifest ${source} (${reasonOf(cause)})`, {
      ...{ code: "not-fetched", fix: "give another with --manifest", cause },
    });
  }
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${source} is not a valid manifest (${reasonOf(cause)})`, {
      ...{ fix: "give another with --manifest", cause },
    });
  }
}

async function fetchText(source: string, signal: AbortSignal | undefined): Promise<string> {
  const place = placeOf("--manifest", source);
  if (place.kind === "path") return await readText(place.path, MOST);
  const headers = { "user-agent": USER_AGENT };
  const response = await proxiedFetch(SILENCE_MS)(place.url, { headers, ...(signal ? { signal } : {}) });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
  return await textOf(response.body, MOST);
}

/** The manifest does not have what was requested. */
export class NotOffered extends PipelineError {
  override readonly name = "NotOffered";
  /** The ids of the cells that make it. */
  readonly cells: readonly string[];

  constructor(message: string, cells: readonly string[]) {
    super(message, { code: "not-offered" });
    this.cells = cells;
  }
}

/** The files that a machine is started from. */
interface Found {
  readonly kernel: Remote;
  readonly rootfs: Remote;
  readonly flavor: string;
}

/** The kernel and the root file system of a preset. @throws NotOffered that lists what the manifest has */
export function findImage(manifest: Manifest, asked: ImageQuery): Found {
  const query = withDefaults(manifest, asked);
  const { preset, arch, vmm, flavor } = query;
  const row = manifest.images.find(
    (each) => each.preset === preset && each.arch === arch && each.vmm === vmm && each.flavor === flavor,
  );
  if (!row) throw noImage(manifest, query);
  const rootfs = { url: row.rootfs_url, sha256: row.rootfs_sha256, size: row.rootfs_size };
  const size = manifest.kernels.find(({ sha256 }) => sha256 === row.kernel_sha256)?.size;
  return { kernel: { url: row.kernel_url, sha256: row.kernel_sha256, size }, rootfs, flavor };
}

/** The kernel and the root file system of a base. @throws NotOffered that lists what the manifest has */
export function findBase(manifest: Manifest, asked: BaseQuery): Found {
  const query = withDefaults(manifest, asked);
  const { arch, vmm, flavor } = query;
  const { bases, tag } = manifest;
  const row = bases.find((each) => each.arch === arch && each.flavor === flavor);
  if (!row) {
    const offered = bases.map((each) => `${each.flavor} for ${each.arch}`);
    throw new NotOffered(
      `${tag} has no ${flavor} base for ${arch}; ${offered.length > 0 ? `it has: ${offered.join(", ")}` : OTHER_MANIFEST}`,
      cellsFor(manifest, { kind: "base", arch, flavor }),
    );
  }
  const kernel = findKernel(manifest, arch, kernelFormatOf(vmm, arch));
  return {
    kernel,
    rootfs: { url: row.rootfs_url, sha256: row.rootfs_sha256, size: row.rootfs_size },
    flavor,
  };
}

/** The kernel of an arch in a format. @throws NotOffered if there is none */
export function findKernel({ kernels, tag }: Manifest, arch: Arch, format: string): Remote {
  const row = kernels.find((each) => each.arch === arch && each.format === format);
  if (!row) {
    const cells = [cellId({ kind: "kernel", arch })];
    throw new NotOffered(`${tag} has no kernel for ${arch} (${format}); ${OTHER_MANIFEST}`, cells);
  }
  return { url: row.url, sha256: row.sha256, size: row.size };
}

const OTHER_MANIFEST = "give another manifest with --manifest";

/** The ids of the cells that make an image: its own and, if the manifest has no kernel for its arch, the kernel's. */
const cellsFor = ({ kernels }: Manifest, cell: Coordinates): string[] => [
  ...(kernels.some(({ arch }) => arch === cell.arch) ? [] : [cellId({ kind: "kernel", arch: cell.arch })]),
  cellId(cell),
];

function noImage(manifest: Manifest, query: Image): NotOffered {
  const { preset, arch, flavor } = query;
  return new NotOffered(
    whyNoImage(manifest, query),
    cellsFor(manifest, { kind: "preset", preset, arch, flavor }),
  );
}

function whyNoImage({ images, tag }: Manifest, { preset, arch, vmm, flavor }: Image): string {
  const presets = unique(images.map((each) => each.preset));
  if (presets.length === 0) return `${tag} has no images; ${OTHER_MANIFEST}`;
  if (!presets.includes(preset)) {
    return `${tag} has no preset "${preset}"; it has: ${presets.join(", ")}`;
  }
  const rows = images.filter((each) => each.preset === preset);
  const flavors = unique(rows.map((each) => each.flavor));
  if (!flavors.includes(flavor)) {
    const reason = bundledRefusals()[preset]?.[flavor];
    return `${preset} is not offered on ${flavor}${reason ? `: ${reason}` : ` at ${tag}`}; it is offered on ${flavors.join(", ")}`;
  }
  const there = rows.filter((each) => each.flavor === flavor).map((each) => `${each.arch} for ${each.vmm}`);
  return `${tag} has no ${preset} on ${flavor} for ${arch} and ${vmm}; it has: ${unique(there).join(", ")}`;
}

/** By preset and flavor: why a preset is refused, as declared. Empty if out/cells.json cannot be read. */
function bundledRefusals(): Cells["refused"] {
  try {
    return bundledCells(offeringRoot()).refused;
  } catch {
    return {};
  }
}
