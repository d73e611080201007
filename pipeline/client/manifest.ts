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

/** How long a server may be silent that has a manifest, ms. */
const SILENCE_MS = 20_000;

/** An image that a user can ask for. */
export interface ImageQuery extends BaseQuery {
  readonly preset: string;
}

/** A bare base, and how it is to be started. */
export interface BaseQuery {
  /** @default this machine's */
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

/** The flavor whose base has no flavor in its name; where the manifest has no such base, the one that is declared. */
export function defaultFlavor({ bases }: Manifest): string {
  const found = bases.find(({ flavor, arch, rootfs_url: url }) =>
    assetNames({ kind: "base", arch, flavor }, flavor).includes(url.split("/").at(-1)!),
  );
  return found?.flavor ?? bundledCells(offeringRoot()).default_flavor;
}

/** A file that a manifest names: where it is, and what its bytes on the wire hash to. */
export interface Remote {
  readonly url: string;
  readonly sha256: string;
  /** Undefined where the manifest does not say. */
  readonly size: number | undefined;
}

/** No manifest is larger, bytes: one of 48 rows has 30 kB. */
const MOST = 16 << 20;

/**
 * Reads a manifest: a file, a file: or http(s): address, or the one that this package was released with.
 * @throws PipelineError when it cannot be read, or is none: it names the field that is wrong
 */
export async function loadManifest(from?: string, signal?: AbortSignal): Promise<Manifest> {
  const source = from ?? join(offeringRoot(), MANIFEST_PATH);
  let text: string;
  try {
    text = await fetchText(source, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof PipelineError) throw cause;
    throw new PipelineError(
      `cannot read the manifest ${source}: ${reasonOf(cause)}; give another with --manifest`,
      { code: "not-fetched", cause },
    );
  }
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${source} is no manifest (${reasonOf(cause)}): give another with --manifest`, {
      cause,
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

/** Something that a manifest does not have. */
export class NotOffered extends PipelineError {
  override readonly name = "NotOffered";
  /** The cells that make what is missing. */
  readonly cells: readonly string[];

  constructor(message: string, cells: readonly string[]) {
    super(message, { code: "not-offered" });
    this.cells = cells;
  }
}

/** What a machine is made from. */
interface Found {
  readonly kernel: Remote;
  readonly rootfs: Remote;
  readonly flavor: string;
}

/** An image: its kernel and its root file system. @throws NotOffered that says which there are */
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

/** A bare base, and the kernel that the VMM starts. @throws NotOffered that says which there are */
export function findBase(manifest: Manifest, asked: BaseQuery): Found {
  const query = withDefaults(manifest, asked);
  const { arch, vmm, flavor } = query;
  const { bases, tag } = manifest;
  const row = bases.find((each) => each.arch === arch && each.flavor === flavor);
  if (!row) {
    const offered = bases.map((each) => `${each.flavor} for ${each.arch}`);
    throw new NotOffered(
      `${tag} has no ${flavor} base for ${arch}; ${offered.length > 0 ? `it has: ${offered.join(", ")}` : NOTHING}`,
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

/** The kernel of an arch in a format. @throws NotOffered where there is none */
export function findKernel({ kernels, tag }: Manifest, arch: Arch, format: string): Remote {
  const row = kernels.find((each) => each.arch === arch && each.format === format);
  if (!row) {
    const cells = [cellId({ kind: "kernel", arch })];
    throw new NotOffered(`${tag} has no kernel for ${arch} (${format}); ${NOTHING}`, cells);
  }
  return { url: row.url, sha256: row.sha256, size: row.size };
}

const NOTHING = "nothing of that kind is published at this tag: give another manifest with --manifest";

/** The cells that make an image or a base: its own, and the kernel where there is none. */
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
  if (presets.length === 0) return `${tag} has no images; ${NOTHING}`;
  if (!presets.includes(preset)) {
    return `${tag} has no preset "${preset}"; it has: ${presets.join(", ")}`;
  }
  const rows = images.filter((each) => each.preset === preset);
  const flavors = unique(rows.map((each) => each.flavor));
  if (!flavors.includes(flavor)) {
    const reason = bundledRefusals()[preset]?.[flavor];
    return `${preset} is not offered on ${flavor}${reason ? `: ${reason}` : ` at ${tag}`}; it is on ${flavors.join(", ")}`;
  }
  const there = rows.filter((each) => each.flavor === flavor).map((each) => `${each.arch} for ${each.vmm}`);
  return `${tag} has no ${preset} on ${flavor} for ${arch} and ${vmm}; it has: ${unique(there).join(", ")}`;
}

/** Why presets are refused on flavors, as this package declares them; nothing where that cannot be read. */
function bundledRefusals(): Cells["refused"] {
  try {
    return bundledCells(offeringRoot()).refused;
  } catch {
    return {};
  }
}
