import { createHash } from "node:crypto";
import { type BaseRootfs, type Budget, TOOLS_LOCK } from "../constructs/base-rootfs.ts";
import { type Kernel, kernelFragments } from "../constructs/kernel.ts";
import type { PresetLayer } from "../constructs/preset-layer.ts";
import type { Release } from "../constructs/release.ts";
import {
  type BaseCell,
  type Cells,
  type KernelCell,
  type PresetCell,
  RECIPE_VERSION,
} from "../schema/cells.ts";
import { assetNames, type Coordinates, cellId } from "../schema/kinds/index.ts";
import { apkVersions, Listing, listingPath } from "../schema/listing.ts";
import type { Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { baseDockerfile, type Dockerfile, kernelDockerfile, presetDockerfile } from "./dockerfile.ts";

const TOOLS_DOCKERFILE = "dockerfiles/tools/Dockerfile";
const TOOLS_FILES = [
  "dockerfiles/network/env",
  "dockerfiles/network/snapshot",
  "dockerfiles/tools/package.json",
  TOOLS_LOCK,
];

/** The cells of a release, and their Dockerfiles. */
export interface Rendered {
  /** The content of `out/cells.json`, bases before the presets on them, in the order of declaration. */
  readonly cells: Omit<Cells, "$comment">;
  readonly dockerfiles: readonly Dockerfile[];
}

export function renderCells(release: Release): Rendered {
  const tools = renderTools(release);
  const dockerfiles: Dockerfile[] = [];
  const rendered = (dockerfile: Dockerfile) => {
    dockerfiles.push(dockerfile);
    return dockerfile;
  };
  const kernels = release.kernels.flatMap((kernel) => {
    const dockerfile = rendered(kernelDockerfile(kernel));
    return release.archs.map((arch) => kernelCell(release, kernel, dockerfile, arch));
  });
  const bases = release.bases.flatMap((base) => {
    const dockerfile = rendered(baseDockerfile(base));
    return base.archs.map((arch) => baseCell(release, base, dockerfile, arch, tools.inputs));
  });
  const presets = release.presets.flatMap((preset) =>
    preset.bases.flatMap((base) => {
      const dockerfile = rendered(presetDockerfile(preset, base));
      return preset.archsOn(base).map((arch) => {
        const below = bases.find((cell) => cell.arch === arch && cell.flavor === base.flavor.name)!;
        return presetCell(release, preset, base, dockerfile, below);
      });
    }),
  );
  const cells = {
    schema_version: 1 as const,
    tag: release.tag,
    repository: release.repository,
    vmms: [...release.vmms],
    default_flavor: release.defaultFlavor,
    source_date_epoch: release.sourceDateEpoch,
    tools,
    accepts: [...release.accepts],
    refused: Object.fromEntries(
      release.presets
        .filter((preset) => Object.keys(preset.refuses).length > 0)
        .map((preset) => [preset.preset, { ...preset.refuses }]),
    ),
    cells: [...kernels, ...bases, ...presets],
  };
  return { cells, dockerfiles };
}

/** The tool container, which is made from Debian: the image that its Dockerfile names, or else mmdebstrap. */
function renderTools(release: Release): Cells["tools"] {
  const text = readInput(release, TOOLS_DOCKERFILE);
  const image = /^ARG ROOTFS=(\S+)$/m.exec(text)?.[1];
  if (!image) throw new PipelineError(`${TOOLS_DOCKERFILE}: no line ARG ROOTFS=image@sha256:…`);
  const recipe = {
    dockerfile: TOOLS_DOCKERFILE,
    files: TOOLS_FILES,
    sources: [
      { from: "image" as const, image },
      { from: "mmdebstrap" as const, suite: "trixie" },
    ],
  };
  return { ...recipe, inputs: hashInputs(release, recipe, text) };
}

function baseCell(
  release: Release,
  base: BaseRootfs,
  dockerfile: Dockerfile,
  arch: Arch,
  tools: string,
): BaseCell {
  const coordinates = { kind: "base", arch, flavor: base.flavor.name } as const;
  const below = [tools, ...recordedVersions(release, base, cellId(coordinates))].join();
  const cell = finish(release, coordinates, dockerfile, below, {
    kind: "base" as const,
    published: base.published,
    flavor: base.flavor.name,
    disk_mib: base.diskMib,
    sources: [...base.flavor.sources(arch)],
    ...programsOf(base, arch),
  });
  return { ...cell, vmms: base.vmms, budget: bytesOf(base.budget) };
}

/** The programs of a base for one arch. A base without any has no such field. */
function programsOf({ programs }: BaseRootfs, arch: Arch): Pick<BaseCell, "programs"> {
  if (programs.length === 0) return {};
  return { programs: programs.map(({ path, files }) => ({ path, ...files[arch]! })) };
}

/** The apk versions in a base's listing. They are part of its inputs, because apk has no dated archive. */
function recordedVersions(release: Release, base: BaseRootfs, id: string): string[] {
  const text = release.files(listingPath(id));
  if (text === undefined || base.flavor.packageManager !== "apk") return [];
  try {
    return apkVersions(Listing.parse(JSON.parse(text)));
  } catch (cause) {
    throw new PipelineError(`${listingPath(id)} is not a listing`, { fix: "restore it from git", cause });
  }
}

/** The sum of budgets, bytes; null (no limit) if one of them is undefined. */
function bytesOf(...budgets: readonly (Budget | undefined)[]): BaseCell["budget"] {
  const known = budgets.filter((budget) => budget !== undefined);
  if (known.length < budgets.length) return null;
  const sum = (of: (budget: Budget) => number) => known.reduce((total, each) => total + of(each) * 1e6, 0);
  return { content: sum(({ contentMb }) => contentMb), asset: sum(({ assetMb }) => assetMb) };
}

function presetCell(
  release: Release,
  preset: PresetLayer,
  base: BaseRootfs,
  dockerfile: Dockerfile,
  below: BaseCell,
): PresetCell {
  const coordinates = {
    kind: "preset",
    preset: preset.preset,
    arch: below.arch,
    flavor: below.flavor,
  } as const;
  const cell = finish(release, coordinates, dockerfile, below.inputs, {
    kind: "preset" as const,
    published: base.published,
    preset: preset.preset,
    flavor: below.flavor,
    base: below.id,
    disk_mib: base.diskMib,
    check: { command: [...preset.check], expect: preset.lockedVersion ?? null },
  });
  return { ...cell, vmms: preset.vmmsOn(base), budget: bytesOf(base.budget, preset.budget) };
}

/**
 * The inputs of a kernel are its recipe only. The release's instant and the bases that it boots are not part of them, so
 * that a change of these does not compile the kernel again.
 */
function kernelCell(release: Release, kernel: Kernel, dockerfile: Dockerfile, arch: Arch): KernelCell {
  const { path, text } = dockerfile;
  const files = [...dockerfile.files, ...kernelFragments(arch)];
  const cell = {
    ...identity(release, { kind: "kernel", arch }),
    kind: "kernel" as const,
    published: true,
    source: { ...kernel.source },
    sources: kernel.containerSources,
    dockerfile: path,
    files,
  };
  const inputs = digest(JSON.stringify([cell, contentsOf(release, files), text]));
  const boots = kernel
    .basesFor(arch)
    .map(({ flavor }) => cellId({ kind: "base", arch, flavor: flavor.name }));
  return { ...cell, inputs, boots };
}

const identity = (release: Release, coordinates: Coordinates) => ({
  id: cellId(coordinates),
  arch: coordinates.arch,
  assets: assetNames(coordinates, release.defaultFlavor),
});

/**
 * Completes a cell with its identity, its recipe and its inputs hash.
 * @param below the inputs of what the cell is made from, as part of the hash
 */
function finish<T extends object>(
  release: Release,
  coordinates: Coordinates,
  dockerfile: Dockerfile,
  below: string,
  fields: T,
) {
  const cell = {
    ...identity(release, coordinates),
    ...fields,
    dockerfile: dockerfile.path,
    files: [...dockerfile.files],
  };
  return { ...cell, inputs: hashInputs(release, cell, dockerfile.text, below) };
}

function hashInputs(release: Release, recipe: { files: readonly string[] }, ...more: string[]): string {
  const contents = contentsOf(release, recipe.files);
  return digest(JSON.stringify([RECIPE_VERSION, release.sourceDateEpoch, recipe, contents, more]));
}

const contentsOf = (release: Release, files: readonly string[]) =>
  files.map((file) => digest(readInput(release, file)));

function readInput(release: Release, path: string): string {
  const text = release.files(path);
  if (text === undefined) {
    throw new PipelineError(`${path} is missing, which images are made from`, { fix: "restore it from git" });
  }
  return text;
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex");
