import type { Initramfs } from "../../constructs/initramfs/initramfs.ts";
import { programsFor } from "../../constructs/initramfs/program.ts";
import type { Release } from "../../constructs/release.ts";
import type { Copied, InitramfsCell } from "../../schema/cells.ts";
import { kernelPackage } from "../../schema/initramfs/kernels.ts";
import { assetNames, cellId } from "../../schema/kinds/index.ts";
import type { Arch } from "../../schema/names.ts";
import {
  contentsByName,
  filesByName,
  hashInputs,
  madeWith,
  sha256,
  short,
  sourcesByName,
} from "../inputs.ts";
import type { Tools } from "../tools.ts";
import { type ApplianceRecipe, SERVICES } from "./dockerfile.ts";
import { modulesWith, serviceFiles } from "./lists.ts";

/** The cell of an appliance for one arch. */
export function initramfsCell(
  release: Release,
  appliance: Initramfs,
  { dockerfile, generated }: ApplianceRecipe,
  arch: Arch,
  tools: Tools,
): InitramfsCell {
  const { name, flavor, otherVersions, kernel, mode, budget } = appliance;
  const coordinates = { kind: "initramfs", name, arch, flavor: flavor.name } as const;
  const id = cellId(coordinates);
  const programs = programsFor(appliance.programs, arch);
  const contents = contentsOf(appliance, arch);
  const services = serviceFiles(appliance).map(({ name: service, path }) => ({
    ...{ name: service, file: path, path: `${SERVICES}/${service}.yaml` },
  }));
  const recipe = {
    ...{ id, arch, kind: "initramfs" as const, name, flavor: flavor.name, mode, version: flavor.version },
    sources: [...flavor.sources(arch)],
    kernel: {
      flavor: kernel.flavor.name,
      version: kernel.version,
      package: kernelPackage(kernel.flavor.name, arch, kernel.version),
      sources: [...kernel.flavor.sources(arch)],
    },
    module_set: appliance.modules,
    modules: modulesWith(appliance, appliance.modules),
    programs,
    services,
    init: [...appliance.start],
    command_line: appliance.commandLine(arch),
    root_mib: appliance.rootMib,
    dockerfile: dockerfile.path,
    ...contents,
  };
  const texts = new Map(generated.map(({ path, text }) => [path, text]));
  // The generated files may not be there yet. Their texts are inputs all the same.
  const files = dockerfile.files.filter((path) => !texts.has(path));
  const inputs = { recipe: { ...recipe, files }, text: dockerfile.text };
  return {
    ...recipe,
    files: [...dockerfile.files],
    assets: assetNames(coordinates, release.defaultFlavor),
    inputs: hashInputs(release, inputs, [tools.cell.inputs, ...texts.values()]),
    made_from: {
      ...tools.made_from,
      ...madeWith(release),
      ...sourcesByName(recipe.sources),
      ...Object.fromEntries(
        Object.entries(sourcesByName(recipe.kernel.sources)).map(([from, value]) => [
          `kernel ${from}`,
          value,
        ]),
      ),
      kernel: `${recipe.kernel.package} ${kernel.version}`,
      ...(flavor.snapshot ? { snapshot: flavor.snapshot } : {}),
      ...Object.fromEntries(
        programs.map(({ path, url, sha256: hash }) => [path, hash === null ? url : `${url} ${short(hash)}`]),
      ),
      ...contentsByName(contents),
      ...filesByName(release, inputs),
      "command line": recipe.command_line,
      ...Object.fromEntries([...texts].map(([path, text]) => [path, short(sha256(text))])),
    },
    other_versions: otherVersions.map((other) => ({
      version: other.version,
      sources: [...other.sources(arch)],
    })),
    published: false,
    budget: budget ? { content: budget.contentMb * 1e6, asset: budget.assetMb * 1e6 } : null,
    ...{ verify_checksums: true, cache_downloads: true },
  };
}

/** What the recipe puts in beside packages of the userland. */
function contentsOf(
  { flavor, kernel, programs, unowned }: Initramfs,
  arch: Arch,
): Pick<InitramfsCell, "copies" | "writes" | "unowned"> {
  const copies: Copied[] = [
    {
      path: flavor.libc === "glibc" ? "/usr/lib/modules" : "/lib/modules",
      type: kernel.flavor.packageManager === "apk" ? "apk" : "deb",
      name: kernelPackage(kernel.flavor.name, arch, kernel.version),
      // Its version is known when it is built: boot/modules.json has it.
      version: null,
      source: `${kernel.flavor.name} ${kernel.flavor.version}`,
    },
    ...programsFor(programs, arch).map(({ path, repository, version, url }) => ({
      ...{ path, type: "github" as const, name: repository, version, source: url },
    })),
  ];
  return {
    copies,
    writes: ["/init", "/etc/initramfs/*", `${SERVICES}/*`],
    ...(unowned.length > 0 ? { unowned: [...unowned] } : {}),
  };
}
