import type { BaseRootfs, Budget } from "../constructs/base-rootfs.ts";
import { type Kernel, kernelFragments } from "../constructs/kernel.ts";
import type { PresetLayer } from "../constructs/preset-layer.ts";
import type { Release } from "../constructs/release.ts";
import type { BaseCell, Cells, KernelCell, PresetCell } from "../schema/cells.ts";
import { assetNames, type Coordinates, cellId } from "../schema/kinds/index.ts";
import { apkVersions, Listing, listingPath } from "../schema/listing.ts";
import type { Arch } from "../schema/names.ts";
import { PipelineError, unknownName, within } from "../util/error.ts";
import { contentsOfBase, contentsOfPreset } from "./contents.ts";
import { baseDockerfile, type Dockerfile, kernelDockerfile, presetDockerfile } from "./dockerfile.ts";
import { initramfsCell } from "./initramfs/cells.ts";
import { initramfsDockerfile } from "./initramfs/dockerfile.ts";
import { initramfsDocument } from "./initramfs/document.ts";
import type { GeneratedFile } from "./initramfs/lists.ts";
import {
  contentsByName,
  filesByName,
  hashInputs,
  hashKernelInputs,
  imageByName,
  madeWith,
  sha256,
  short,
  sourcesByName,
} from "./inputs.ts";
import { renderTools, type Tools } from "./tools.ts";

/** The cells of a release, and their Dockerfiles. */
export interface Rendered {
  /** The content of `out/cells.json`, bases before the presets on them, in the order of declaration. */
  readonly cells: Omit<Cells, "$comment">;
  readonly dockerfiles: readonly Dockerfile[];
  /** The generated files of appliances: what their recipes copy in, and their documents. */
  readonly generated: readonly GeneratedFile[];
}

export function renderCells(release: Release): Rendered {
  const tools = renderTools(release);
  const dockerfiles: Dockerfile[] = [];
  const generated: GeneratedFile[] = [];
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
    return base.archs.map((arch) => baseCell(release, base, dockerfile, arch, tools));
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
  const appliances = release.appliances.flatMap((appliance) => {
    const recipe = initramfsDockerfile(appliance);
    rendered(recipe.dockerfile);
    generated.push(...recipe.generated, initramfsDocument(release, appliance));
    return appliance.archs.map((arch) => initramfsCell(release, appliance, recipe, arch, tools));
  });
  const made = [...kernels, ...bases, ...presets, ...appliances];
  const cells = {
    schema_version: 1 as const,
    tag: release.tag,
    repository: release.repository,
    vmms: [...release.vmms],
    default_flavor: release.defaultFlavor,
    source_date_epoch: release.sourceDateEpoch,
    tools: tools.cell,
    accepts: [...release.accepts],
    ...regressionsOf(release, made),
    ...(release.trustedRoot === undefined ? {} : { trusted_root: release.trustedRoot }),
    refused: Object.fromEntries(
      release.presets
        .filter((preset) => Object.keys(preset.refuses).length > 0)
        .map((preset) => [preset.preset, { ...preset.refuses }]),
    ),
    cells: made,
  };
  return { cells, dockerfiles, generated };
}

/** @throws PipelineError when a regression of a cell is accepted that this release does not publish */
function regressionsOf(
  release: Release,
  cells: readonly { readonly id: string; readonly published: boolean }[],
): Pick<Cells, "regressions"> {
  const { regressions, tag, node } = release;
  if (!regressions) return {};
  const { sizePercent: size, bootPercent: boot, accepts = [] } = regressions;
  const ids = cells.flatMap(({ id, published }) => (published ? [id] : []));
  // Entries for other tags are of the past, and so may their cells be.
  const unknown = accepts.find((each) => each.tag === tag && !ids.includes(each.cell));
  if (unknown) throw within(`${node.path}: regressions.accepts`, unknownName("cell", unknown.cell, ids));
  return {
    regressions: {
      ...(size === undefined ? {} : { size_percent: size }),
      ...(boot === undefined ? {} : { boot_percent: boot }),
      accepts: accepts.map((each) => ({ ...each })),
    },
  };
}

function baseCell(
  release: Release,
  base: BaseRootfs,
  dockerfile: Dockerfile,
  arch: Arch,
  tools: Tools,
): BaseCell {
  const coordinates = { kind: "base", arch, flavor: base.flavor.name } as const;
  const versions = recordedVersions(release, base, cellId(coordinates));
  const sources = [...base.flavor.sources(arch)];
  const programs = programsOf(base, arch);
  const contents = contentsOfBase(base, arch);
  const cell = finish(release, coordinates, dockerfile, [tools.cell.inputs, ...versions], {
    kind: "base" as const,
    flavor: base.flavor.name,
    disk_mib: base.diskMib,
    sources,
    ...programs,
    ...contents,
  });
  return {
    ...cell,
    made_from: {
      ...tools.made_from,
      ...sourcesByName(sources),
      ...(base.flavor.snapshot ? { snapshot: base.flavor.snapshot } : {}),
      packages: [...base.packages].sort().join(" "),
      ...(base.uv ? { uv: imageByName(base.uv) } : {}),
      ...Object.fromEntries(
        (programs.programs ?? []).map((each) => [each.path, `${each.url} ${short(each.sha256)}`]),
      ),
      ...(versions.length > 0 ? { "apk versions": short(sha256(versions.join())) } : {}),
      ...contentsByName(contents),
      ...cell.made_from,
    },
    published: base.published,
    vmms: base.vmms,
    budget: bytesOf(base.budget),
  };
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
  const { install } = preset;
  const installed =
    install.method === "npm"
      ? { [install.package]: preset.lockedVersion ?? "?" }
      : { [install.repository]: short(install.commit) };
  const contents = contentsOfPreset(preset);
  const cell = finish(release, coordinates, dockerfile, [below.inputs], {
    kind: "preset" as const,
    preset: preset.preset,
    flavor: below.flavor,
    base: below.id,
    disk_mib: base.diskMib,
    check: { command: [...preset.check], expect: preset.lockedVersion ?? null },
    ...contents,
  });
  return {
    ...cell,
    made_from: {
      ...installed,
      [below.id]: short(below.inputs),
      check: preset.check.join(" "),
      ...contentsByName(contents),
      ...cell.made_from,
    },
    published: base.published,
    vmms: preset.vmmsOn(base),
    budget: bytesOf(base.budget, preset.budget),
  };
}

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
  const inputs = { recipe: cell, text };
  const boots = kernel
    .basesFor(arch)
    .map(({ flavor }) => cellId({ kind: "base", arch, flavor: flavor.name }));
  const { snapshot } = kernel.buildOn;
  return {
    ...cell,
    inputs: hashKernelInputs(release, inputs),
    made_from: {
      [kernel.source.package]: kernel.source.version,
      ...sourcesByName(kernel.containerSources),
      ...(snapshot ? { snapshot } : {}),
      ...filesByName(release, inputs),
    },
    boots,
  };
}

const identity = (release: Release, coordinates: Coordinates) => ({
  id: cellId(coordinates),
  arch: coordinates.arch,
  assets: assetNames(coordinates, release.defaultFlavor),
});

/**
 * Completes a cell with its identity, its recipe and its inputs. The names of its assets, and whether they are published,
 * are not part of the inputs.
 * @param below the inputs of what the cell is made from
 */
function finish<T extends { readonly disk_mib: number }>(
  release: Release,
  coordinates: Coordinates,
  dockerfile: Dockerfile,
  below: readonly string[],
  fields: T,
) {
  const { id, arch, assets } = identity(release, coordinates);
  const recipe = { id, arch, ...fields, dockerfile: dockerfile.path, files: [...dockerfile.files] };
  const inputs = { recipe, text: dockerfile.text };
  return {
    ...recipe,
    assets,
    inputs: hashInputs(release, inputs, below),
    made_from: {
      ...madeWith(release),
      disk: `${fields.disk_mib} MiB`,
      ...filesByName(release, inputs),
    },
  };
}
