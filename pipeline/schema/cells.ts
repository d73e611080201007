import { z } from "zod";
import { IMAGE_BY_DIGEST, Sha256 } from "./digest.ts";
import { PackageType } from "./facts.ts";
import { BuildMode, MODULE_SETS, ModuleSet } from "./initramfs/choices.ts";
import { Arch, Vmm } from "./names.ts";

const AssetName = z.string().regex(/^[A-Za-z0-9._-]+$/);
/** A path below the project's root: relative, `/`-separated, without `..`. */
const ProjectPath = z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/, "a relative path without ..");

/** Where the root file system of a flavor comes from. Each source is fixed by a hash, or by the archive's signature. */
export const RootfsSource = z.discriminatedUnion("from", [
  z.strictObject({ from: z.literal("image"), image: z.string().regex(IMAGE_BY_DIGEST) }),
  z.strictObject({ from: z.literal("tarball"), url: z.string(), sha256: Sha256 }),
  z.strictObject({ from: z.literal("mmdebstrap"), suite: z.string() }),
]);
export type RootfsSource = z.infer<typeof RootfsSource>;

/** A Debian source package and its version: `linux-source-6.12`, `6.12.115-1`. */
const KernelSource = z.strictObject({ package: z.string(), version: z.string() });
/** A Debian source package and its version: `linux-source-6.12`, `6.12.115-1`. */
export type KernelSource = z.infer<typeof KernelSource>;

/**
 * The inputs of a cell by name, each with a short value: a version, a digest, the first digits of the sha256 of a file. It
 * only explains why a cell is built. Two cells have the same inputs if their `inputs` are the same.
 */
export const MadeFrom = z.record(z.string(), z.string());
export type MadeFrom = Readonly<z.infer<typeof MadeFrom>>;

/** An absolute path in an image. */
const ImagePath = z.string().regex(/^\/./, "an absolute path");

/** An SPDX expression: `Apache-2.0 OR MIT`. */
const LicenseExpression = z.string().min(1);

/** A program or a source tree that a recipe copies into an image, and that is not installed from a package. */
export const Copied = z.strictObject({
  /** A file, or a directory with all that no package in it owns. */
  path: ImagePath,
  /** Paths below the directory that are not part of it. */
  except: z.array(z.string()).optional(),
  type: PackageType,
  name: z.string(),
  /** null if it is not declared. */
  version: z.string().nullable(),
  /** Vendor and product in the National Vulnerability Database: `nodejs:node.js`. */
  cpe: z.string().optional(),
  license: LicenseExpression.optional(),
  /** Where it was copied from: a package URL, a container image by digest, or an address. */
  source: z.string(),
});
export type Copied = z.infer<typeof Copied>;

/** Files that are declared to have no owner: a pattern of absolute paths with `*` and `**`, and the reason. */
const Unowned = z.strictObject({ paths: ImagePath, reason: z.string() });
export type Unowned = z.infer<typeof Unowned>;

/** Files that packages have, and that the image does not: a pattern of absolute paths, and the reason. */
const Omitted = z.strictObject({ paths: ImagePath, reason: z.string() });
export type Omitted = z.infer<typeof Omitted>;

/** A program or library inside another package. Paths are patterns of absolute paths. */
const Embedded = z.strictObject({
  type: PackageType,
  name: z.string(),
  files: z.array(ImagePath).min(1),
  /** How its version is read: the one group of the first match in a file's bytes, as latin1. null if nothing says it. */
  version: z.strictObject({ from: ImagePath, match: z.string() }).nullable(),
  cpe: z.string().optional(),
  license: LicenseExpression.optional(),
});
export type Embedded = z.infer<typeof Embedded>;

/** What a recipe puts into an image beside packages. Each field is there only if it has something. */
const contents = {
  copies: z.array(Copied).min(1).optional(),
  embeds: z.array(Embedded).min(1).optional(),
  /** The files and links that the recipe writes itself: patterns of absolute paths. */
  writes: z.array(ImagePath).min(1).optional(),
  unowned: z.array(Unowned).min(1).optional(),
  /** What the recipe leaves out of the packages that it installs. */
  omits: z.array(Omitted).min(1).optional(),
};

const common = {
  id: z.string(),
  arch: Arch,
  /** The names of its files on the release and in the staging directory. */
  assets: z.array(AssetName),
  /** The sha256 over everything that the cell is made from: recipe, files, and the inputs of its base. */
  inputs: Sha256,
  /** What `inputs` is the hash of. */
  made_from: MadeFrom,
  /** Whether the release contains it. If false, it is only built locally. */
  published: z.boolean(),
};

/** The input of `docker build`: the Dockerfile, and the files that it copies in. */
const recipe = { dockerfile: ProjectPath, files: z.array(ProjectPath) };

const rootfs = {
  ...contents,
  flavor: z.string(),
  /** Size of the ext4 file system, MiB. */
  disk_mib: z.int().positive(),
  /** The VMMs with which it is offered. Not part of `inputs`. */
  vmms: z.array(Vmm).min(1),
  /** The maximum sizes of all its files and of its asset, bytes; null for no limit. Not part of `inputs`. */
  budget: z.strictObject({ content: z.int().positive(), asset: z.int().positive() }).nullable(),
};

export const BaseCell = z.strictObject({
  ...common,
  ...recipe,
  ...rootfs,
  kind: z.literal("base"),
  /** The sources of its root file system, in the order in which they are tried. */
  sources: z.array(RootfsSource).min(1),
  /** Programs that are fetched and put into the image, each with its path there; no field if there are none. */
  programs: z
    .array(z.strictObject({ path: z.string(), url: z.string(), sha256: Sha256 }))
    .min(1)
    .optional(),
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
    /** What the output must contain: the locked version; null if no lockfile gives one. */
    expect: z.string().nullable(),
  }),
});
export const KernelCell = z.strictObject({
  ...common,
  ...recipe,
  kind: z.literal("kernel"),
  source: KernelSource,
  /** The sources of the root file system of the container in which it is compiled; the same for every arch. */
  sources: z.array(RootfsSource).min(1),
  /** The ids of the base cells that it must boot before it can be staged. Not part of `inputs`. */
  boots: z.array(z.string()).min(1),
});

/** A kernel module, by the name that modprobe takes. */
const InitramfsModule = z.strictObject({
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/),
  /** The smallest set that it is in; `declared` for one that the declaration adds, which is in the image with every set. */
  set: z.enum([...MODULE_SETS, "declared"]),
  /** Whether `/init` loads it, in this order, before devices are detected. Others are loaded for the devices that are found. */
  essential: z.boolean(),
  /** Whether the kernel may lack it. A build fails without any other one that is neither a module nor built in. */
  optional: z.boolean(),
});
export type InitramfsModule = z.infer<typeof InitramfsModule>;

/** A program from a release on GitHub. */
const InitramfsProgram = z.strictObject({
  /** Its path in the image: `/sbin/zinit`. */
  path: ImagePath,
  /** `owner/name` on GitHub. */
  repository: z.string(),
  /** The tag of the release; `newest` (in debug mode only) for the newest release on the day of the build. */
  version: z.string(),
  /** The name of the file in the release, which is the program itself. */
  asset: z.string(),
  /** The address of the file; for `newest` the one that GitHub redirects to the newest release. */
  url: z.string(),
  /** null (in debug mode only) if nobody has confirmed one: whatever is fetched is used, and its sha256 is in the facts. */
  sha256: Sha256.nullable(),
});

/**
 * An appliance that runs from memory: a kernel, and an initramfs in which `/init` copies itself into a tmpfs and starts the
 * init program there.
 *
 * Its Dockerfile makes one container image:
 * - `/` without `/boot` is the content of the cpio: the userland with its packages, the programs (stripped in release mode), the modules
 *   in `/lib/modules/<release>/` (uncompressed `.ko`, with what `depmod` writes), the service files in `/etc/zinit/`,
 *   and the files of INITRAMFS_FILES (schema/initramfs/files.ts), `/init` among them;
 * - `/boot/vmlinuz` is the kernel, `/boot/config` its configuration and `/boot/modules.json` a ResolvedModules
 *   (schema/initramfs/resolved.ts). `/boot` is not in the cpio.
 *
 * The build arguments of the Dockerfile are those of `initramfsBuildArgs` (schema/initramfs/build-args.ts), and ROOTFS and
 * KERNEL_ROOTFS, the container images in which the two root file systems were imported. The programs go into its context
 * at `programInContext(path)`.
 */
export const InitramfsCell = z.strictObject({
  ...common,
  ...recipe,
  ...contents,
  kind: z.literal("initramfs"),
  name: z.string(),
  /** The distribution of the userland. */
  flavor: z.string(),
  mode: BuildMode,
  /** The release of the userland's distribution, such as 3.24. */
  version: z.string(),
  /** The sources of the userland's root file system, in the order in which they are tried. */
  sources: z.array(RootfsSource).min(1),
  /** The other releases of the distribution that `ALPINE_VERSION` may choose. */
  other_versions: z.array(z.strictObject({ version: z.string(), sources: z.array(RootfsSource).min(1) })),
  kernel: z.strictObject({
    /** The distribution of the kernel, which may be another one than that of the userland. */
    flavor: z.string(),
    /** `lts` and `edge` are the distribution's own; anything else is the exact version of the package. */
    version: z.string(),
    /** The distribution's package: `linux-lts`, `linux-image-cloud-amd64`. */
    package: z.string(),
    /** The sources of the root file system in which the kernel's package is unpacked. */
    sources: z.array(RootfsSource).min(1),
  }),
  module_set: ModuleSet,
  /** The modules of the set, in the order in which they are loaded, without those that they depend on. */
  modules: z.array(InitramfsModule).min(1),
  programs: z.array(InitramfsProgram),
  /** zinit's service files: each with its name, its project file and its path in the image. */
  services: z.array(z.strictObject({ name: z.string(), file: ProjectPath, path: ImagePath })),
  /** The program that `/init` starts in the tmpfs, with its arguments: `/sbin/zinit init`. */
  init: z.array(z.string()).min(1),
  /** The kernel's command line in the EFI file, as it is declared (`initramfsCommandLine`). */
  command_line: z.string(),
  /** The size of the tmpfs, MiB. The kernel parameter `root_mib=` overrides it. */
  root_mib: z.int().positive(),
  /** The maximum sizes of the cpio's files and of each asset, bytes; null for no limit. Not part of `inputs`. */
  budget: z.strictObject({ content: z.int().positive(), asset: z.int().positive() }).nullable(),
  /** Whether a program whose sha256 is known is compared with it. Always true in release mode. */
  verify_checksums: z.boolean(),
  /** Whether downloaded programs are kept in the cache, and taken from there. */
  cache_downloads: z.boolean(),
});
export type InitramfsCell = z.infer<typeof InitramfsCell>;

export const Cell = z.discriminatedUnion("kind", [BaseCell, PresetCell, KernelCell, InitramfsCell]);
export type BaseCell = z.infer<typeof BaseCell>;
export type PresetCell = z.infer<typeof PresetCell>;
export type KernelCell = z.infer<typeof KernelCell>;
export type Cell = z.infer<typeof Cell>;

/** How much worse than the last release an asset may be. */
const Regressions = z.strictObject({
  /** Percent of the bytes on the wire; no field for no limit. */
  size_percent: z.number().nonnegative().optional(),
  /** Percent of the time to the SSH login; no field for no limit. */
  boot_percent: z.number().nonnegative().optional(),
  /** What is accepted over a limit, for the release of one tag. */
  accepts: z.array(
    z.strictObject({ cell: z.string(), what: z.enum(["size", "boot"]), tag: z.string(), reason: z.string() }),
  ),
});
export type Regressions = z.infer<typeof Regressions>;

/** `out/cells.json`: everything the runtime needs to execute a cell. */
export const Cells = z.strictObject({
  $comment: z.string(),
  schema_version: z.literal(1),
  tag: z.string(),
  repository: z.string(),
  /** All VMMs of the release; an image may be offered with fewer. */
  vmms: z.array(Vmm),
  default_flavor: z.string(),
  /** The latest modification time of files in an image, seconds since 1970. `SOURCE_DATE_EPOCH` overrides it. */
  source_date_epoch: z.int().nonnegative(),
  /** The container image in which images are made; it has mke2fs, zstd, Node and npm. */
  tools: z.strictObject({ ...recipe, inputs: Sha256, sources: z.array(RootfsSource).min(1) }),
  /** The overrides that a published cell may have (`apt=live`). */
  accepts: z.array(z.string()),
  /** No field if nothing is a regression. Not part of the `inputs` of any cell. */
  regressions: Regressions.optional(),
  /** The file with the sigstore authorities whose attestations are believed. @default sigstore's public instance */
  trusted_root: ProjectPath.optional(),
  /** Why a preset is not offered on a flavor: preset -> flavor -> reason. */
  refused: z.record(z.string(), z.record(z.string(), z.string())),
  cells: z.array(Cell),
});
export type Cells = z.infer<typeof Cells>;
/** Part of the inputs of every root file system. Raise it when a code change makes other bytes from the same files. */
export const RECIPE_VERSION = 4;
export const CELLS_PATH = "out/cells.json";
/** The paths at which a project may declare its images, relative to its root; the first one is the default. */
export const DECLARATIONS = ["images.ts", "pipeline/images.ts"] as const;
