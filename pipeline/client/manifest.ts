import { DEFAULT_VMM } from "../schema/defaults.ts";
import type { FramesPlace } from "../schema/frames-place.ts";
import { assetNames, type Coordinates, cellId } from "../schema/kinds/index.ts";
import type { Manifest } from "../schema/manifest.ts";
import { type Arch, assetNameOf, type KernelFormat, kernelFormatOf, type Vmm } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { unique } from "../util/unique.ts";
import { hostArch } from "../vm/accel.ts";
import { bundledCells, offeringRoot } from "./bundled.ts";

/** Identifies the image of a preset. */
export interface ImageQuery extends BaseQuery {
  /** The agent: `codex`. */
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
    assetNames({ kind: "base", arch, flavor }, flavor).includes(assetNameOf(url)),
  );
  return found?.flavor ?? bundledCells(offeringRoot()).default_flavor;
}

/** A file to download: its address, and the digest and size of the bytes on the wire (not unpacked). */
export interface Remote {
  readonly url: string;
  readonly sha256: string;
  /** Bytes; undefined if it is not known. */
  readonly size: number | undefined;
  /** The unpacked file; undefined if it is not known. */
  readonly image?: ImageFile | undefined;
  /** The table of its zstd frames; undefined if it has none, or it is not known. */
  readonly frames?: FramesPlace | undefined;
}

/** An unpacked file. */
export interface ImageFile {
  readonly sha256: string;
  /** The length, bytes. It has holes where it is empty. */
  readonly size: number;
  /** The total size of the files in the image, bytes; undefined if it is not known. */
  readonly contentSize?: number | undefined;
}

/** A file that a row of a manifest names, with what the manifest's `assets` have of it. */
export function remoteOf({ assets }: Pick<Manifest, "assets">, url: string, sha256: string): Remote {
  const known = assets[assetNameOf(url)];
  const image = known && {
    ...{ sha256: known.image_sha256, size: known.image_size, contentSize: known.content_size },
  };
  return { url, sha256, size: known?.size, image, frames: known?.frames };
}

/** The manifest does not have what was requested. */
export class NotOffered extends PipelineError {
  /** The name of this class, as for every error. */
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
  return {
    kernel: remoteOf(manifest, row.kernel_url, row.kernel_sha256),
    rootfs: remoteOf(manifest, row.rootfs_url, row.rootfs_sha256),
    flavor,
  };
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
  return {
    kernel: findKernel(manifest, arch, kernelFormatOf(vmm, arch)),
    rootfs: remoteOf(manifest, row.rootfs_url, row.rootfs_sha256),
    flavor,
  };
}

/** The kernel of an arch in a format. @throws NotOffered if there is none */
export function findKernel(manifest: Manifest, arch: Arch, format: KernelFormat): Remote {
  const { kernels, tag } = manifest;
  const row = kernels.find((each) => each.arch === arch && each.format === format);
  if (!row) {
    const cells = [cellId({ kind: "kernel", arch })];
    throw new NotOffered(`${tag} has no kernel for ${arch} (${format}); ${OTHER_MANIFEST}`, cells);
  }
  return remoteOf(manifest, row.url, row.sha256);
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

function whyNoImage({ images, refused, tag }: Manifest, { preset, arch, vmm, flavor }: Image): string {
  const presets = unique(images.map((each) => each.preset));
  if (presets.length === 0) return `${tag} has no images; ${OTHER_MANIFEST}`;
  if (!presets.includes(preset)) {
    return `${tag} has no preset "${preset}"; it has: ${presets.join(", ")}`;
  }
  const rows = images.filter((each) => each.preset === preset);
  const flavors = unique(rows.map((each) => each.flavor));
  if (!flavors.includes(flavor)) {
    const reason = refused.find((each) => each.preset === preset && each.flavor === flavor)?.reason;
    return `${preset} is not offered on ${flavor}${reason ? `: ${reason}` : ` at ${tag}`}; it is offered on ${flavors.join(", ")}`;
  }
  const there = rows.filter((each) => each.flavor === flavor).map((each) => `${each.arch} for ${each.vmm}`);
  return `${tag} has no ${preset} on ${flavor} for ${arch} and ${vmm}; it has: ${unique(there).join(", ")}`;
}
