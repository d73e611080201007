import { z } from "zod";
import { IMAGE_BY_DIGEST, Sha256 } from "./digest.ts";
import { Arch, Vmm } from "./names.ts";

const AssetName = z.string().regex(/^[A-Za-z0-9._-]+$/);
/** A path below the project's root: relative, `/`-separated, without `..`. */
const ProjectPath = z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/, "a relative path without ..");

/** Where a flavor's first files come from, each fixed by content or by the archive's signature. */
export const RootfsSource = z.discriminatedUnion("from", [
  z.strictObject({ from: z.literal("image"), image: z.string().regex(IMAGE_BY_DIGEST) }),
  z.strictObject({ from: z.literal("tarball"), url: z.string(), sha256: Sha256 }),
  z.strictObject({ from: z.literal("mmdebstrap"), suite: z.string() }),
]);
export type RootfsSource = z.infer<typeof RootfsSource>;

/** A source package of Debian's archive, and its version there: `linux-source-6.12`, `6.12.115-1`. */
const KernelSource = z.strictObject({ package: z.string(), version: z.string() });
export type KernelSource = z.infer<typeof KernelSource>;

const common = {
  id: z.string(),
  arch: Arch,
  /** The names of its files on the release, also in the directory store. */
  assets: z.array(AssetName),
  /** sha256 over everything the cell is made from: recipe, files, and its base's inputs. */
  inputs: Sha256,
  /** Whether the release carries it; false for what is only built locally. */
  published: z.boolean(),
};

/** What `docker build` gets: the Dockerfile, and the files that it copies in. */
const recipe = { dockerfile: ProjectPath, files: z.array(ProjectPath) };

const rootfs = {
  flavor: z.string(),
  /** Size of the ext4 file system, MiB. */
  disk_mib: z.int().positive(),
  /** The VMMs with which it is offered. No part of `inputs`. */
  vmms: z.array(Vmm).min(1),
  /** How large it may be, bytes: all its files, and its asset. No part of `inputs`; null: as large as it likes. */
  budget: z.strictObject({ content: z.int().positive(), asset: z.int().positive() }).nullable(),
};

export const BaseCell = z.strictObject({
  ...common,
  ...recipe,
  ...rootfs,
  kind: z.literal("base"),
  /** In the order in which they are tried. */
  sources: z.array(RootfsSource).min(1),
});
export const PresetCell = z.strictObject({
  ...common,
  ...recipe,
  ...rootfs,
  kind: z.literal("preset"),
  preset: z.string(),
  /** The id of the base cell it is layered on. */
  base: z.string(),
  /** The command that proves the preset works, run over SSH in the booted image. */
  check: z.strictObject({
    command: z.array(z.string()).min(1),
    /** What the output must contain: the locked version, where there is one. */
    expect: z.string().nullable(),
  }),
});
export const KernelCell = z.strictObject({
  ...common,
  ...recipe,
  kind: z.literal("kernel"),
  source: KernelSource,
  /** Where the first files of the container in which it is compiled come from, whatever its arch. */
  sources: z.array(RootfsSource).min(1),
  /** Ids of the base cells that it must boot before it may be staged. No part of `inputs`. */
  boots: z.array(z.string()).min(1),
});

export const Cell = z.discriminatedUnion("kind", [BaseCell, PresetCell, KernelCell]);
export type BaseCell = z.infer<typeof BaseCell>;
export type PresetCell = z.infer<typeof PresetCell>;
export type KernelCell = z.infer<typeof KernelCell>;
export type Cell = z.infer<typeof Cell>;

/** `out/cells.json`: everything the runtime needs to execute a cell. */
export const Cells = z.strictObject({
  $comment: z.string(),
  schema_version: z.literal(1),
  tag: z.string(),
  repository: z.string(),
  /** Those of the release; an image may be offered with fewer. */
  vmms: z.array(Vmm),
  default_flavor: z.string(),
  /** Seconds since 1970: no file in an image is newer. `SOURCE_DATE_EPOCH` overrides it. */
  source_date_epoch: z.int().nonnegative(),
  /** The container image with mke2fs, zstd, Node and npm in which images are made. */
  tools: z.strictObject({ ...recipe, inputs: Sha256, sources: z.array(RootfsSource).min(1) }),
  /** What of a published cell may be other than declared (`apt=live`). */
  accepts: z.array(z.string()),
  /** Why a preset is not offered on a flavor: preset -> flavor -> reason. */
  refused: z.record(z.string(), z.record(z.string(), z.string())),
  cells: z.array(Cell),
});
export type Cells = z.infer<typeof Cells>;
/** Part of every cell's inputs: to be raised when `build/` begins to make other bytes of the same files. */
export const RECIPE_VERSION = 2;
export const CELLS_PATH = "out/cells.json";
