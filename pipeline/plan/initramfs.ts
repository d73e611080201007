import type { InitramfsCell } from "../schema/cells.ts";
import { BUILD_MODES, type BuildMode, MODULE_SETS, type ModuleSet } from "../schema/initramfs/choices.ts";
import { kernelPackage, kernelVersionError } from "../schema/initramfs/kernels.ts";
import { modulesOf } from "../schema/initramfs/modules.ts";
import { releaseModeErrors } from "../schema/initramfs/release-mode.ts";
import { ARCHS } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";

/** A variable of the environment: what its value changes in a cell. It throws for a value that it cannot have. */
type Variable = (cell: InitramfsCell, value: string) => InitramfsCell;

/** The variables that override what is declared, in the order in which they are applied. */
const VARIABLES: Readonly<Record<string, Variable>> = {
  TARGETARCH: (cell, value) => {
    const arch = oneOf("TARGETARCH", value, ARCHS);
    if (arch === cell.arch) return cell;
    throw refused(
      `TARGETARCH=${arch}: ${cell.id} is for ${cell.arch}`,
      `name the cell initramfs-${cell.name}-${arch}, or unset TARGETARCH`,
    );
  },
  BUILDMODE: (cell, value) => {
    const mode: BuildMode = oneOf("BUILDMODE", value, BUILD_MODES);
    return { ...cell, mode };
  },
  KERNEL_VERSION: (cell, version) => {
    const { kernel, arch } = cell;
    const error = kernelVersionError(kernel.flavor, version);
    if (error) throw refused(`KERNEL_VERSION: ${error}`, "give another version, or unset it");
    return { ...cell, kernel: { ...kernel, version, package: kernelPackage(kernel.flavor, arch, version) } };
  },
  ALPINE_VERSION: (cell, version) => {
    if (cell.flavor !== "alpine") {
      throw refused(`ALPINE_VERSION=${version}: the userland of ${cell.id} is ${cell.flavor}`, "unset it");
    }
    if (version === cell.version) return cell;
    const other = cell.other_versions.find((each) => each.version === version);
    if (!other) {
      const known = [cell.version, ...cell.other_versions.map((each) => each.version)];
      throw refused(
        `ALPINE_VERSION=${version}: ${cell.id} has no root file system of it; one of: ${known.join(", ")}`,
        "declare it in `otherVersions` of the Initramfs in images.ts",
      );
    }
    const { kernel } = cell;
    return {
      ...cell,
      ...other,
      // The kernel is that of the same release, if it comes from the same distribution.
      kernel: kernel.flavor === "alpine" ? { ...kernel, sources: other.sources } : kernel,
    };
  },
  INCLUDE_MODULES: (cell, value) => {
    const set: ModuleSet = oneOf("INCLUDE_MODULES", value, MODULE_SETS);
    const declared = cell.modules.filter((module) => module.set === "declared");
    const names = declared.map(({ name }) => name);
    const listed = modulesOf(set, cell.kernel.flavor).filter(({ name }) => !names.includes(name));
    return { ...cell, module_set: set, modules: [...listed, ...declared] };
  },
  CACHE_DOWNLOADS: (cell, value) => ({ ...cell, cache_downloads: truth("CACHE_DOWNLOADS", value) }),
  VERIFY_CHECKSUMS: (cell, value) => ({ ...cell, verify_checksums: truth("VERIFY_CHECKSUMS", value) }),
};

/** The names of the variables that override what an appliance declares. */
export const INITRAMFS_VARIABLES: readonly string[] = Object.keys(VARIABLES);

export interface Overridden {
  /** The cell with the changes. Its `inputs` are still those of the declaration. */
  readonly cell: InitramfsCell;
  /** How it differs from what is declared and pinned, as facts list it; sorted. */
  readonly overrides: readonly string[];
}

/**
 * Applies the variables of the environment to the cell of an appliance. A variable that is empty, or that says what is
 * declared, overrides nothing. A program whose sha256 is not known is an override as well.
 * @throws PipelineError for a value that a variable cannot have, and for what release mode does not allow
 */
export function initramfsOverrides(
  declared: InitramfsCell,
  env: Readonly<Record<string, string | undefined>>,
): Overridden {
  let cell = declared;
  const overrides: string[] = [];
  for (const [name, apply] of Object.entries(VARIABLES)) {
    const value = env[name];
    if (!value) continue;
    const changed = apply(cell, value);
    if (JSON.stringify(changed) !== JSON.stringify(cell)) overrides.push(`${name}=${value}`);
    cell = changed;
  }
  const [error] = releaseModeErrors(cell);
  if (error) {
    const by = overrides.length > 0 ? ` (with ${overrides.join(" ")})` : "";
    throw refused(`release mode is refused${by}: ${error}`, "build it in debug mode");
  }
  const unpinned = cell.programs
    .filter(({ sha256 }) => sha256 === null)
    .map(({ path, version }) => `program=${path} ${version}: no known sha256`);
  return { cell, overrides: [...overrides, ...unpinned].sort() };
}

function oneOf<T extends string>(name: string, value: string, all: readonly T[]): T {
  const found = all.find((each) => each === value);
  if (found) return found;
  throw refused(
    `${name}: "${value}" is not one of: ${all.join(", ")}`,
    "set it to one of these, or unset it",
  );
}

const truth = (name: string, value: string): boolean => oneOf(name, value, ["true", "false"]) === "true";

const refused = (message: string, fix: string) => new PipelineError(message, { fix });
