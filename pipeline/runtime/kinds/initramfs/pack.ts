import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { copyOut } from "../../../image/docker/container-image.ts";
import { efiStubVersion, ensureEfiTools } from "../../../image/docker/efi-tools.ts";
import { toCpio } from "../../../image/formats/cpio.ts";
import { makeEfi } from "../../../image/formats/efi.ts";
import { compressXz } from "../../../image/formats/xz.ts";
import { Audit } from "../../../image/rootfs/audit.ts";
import { refuse } from "../../../image/rootfs/audited-image.ts";
import { checkBudget } from "../../../image/rootfs/budget.ts";
import { contentsOf } from "../../../image/rootfs/contents.ts";
import { FileTree } from "../../../image/rootfs/file-tree.ts";
import type { Rootfs } from "../../../image/rootfs/normalise.ts";
import { recipeOf } from "../../../image/rootfs/ownership/recipe.ts";
import { withRootfs } from "../../../image/rootfs/rootfs.ts";
import { sbomFacts } from "../../../image/rootfs/sbom.ts";
import { inputsWith, overridesOf } from "../../../plan/freshness.ts";
import { initramfsOverrides } from "../../../plan/initramfs.ts";
import type { InitramfsCell } from "../../../schema/cells.ts";
import { InitramfsFacts } from "../../../schema/facts.ts";
import { initramfsCommandLine } from "../../../schema/initramfs/build-args.ts";
import { ResolvedModules } from "../../../schema/initramfs/resolved.ts";
import { PipelineError } from "../../../util/error.ts";
import { sha256File } from "../../../util/hash.ts";
import type { Workshop } from "../../workshop.ts";
import { buildContainer } from "./container.ts";
import { bootable, debugFindings } from "./content.ts";

/** The facts of both assets, the cpio first, that the build stage passes to the verify stage. */
export const BuildFacts = z.array(InitramfsFacts.omit({ boot: true })).length(2);
export type BuildFacts = z.infer<typeof BuildFacts>;

/** The names of the files that are made beside the assets. */
export const KERNEL = "vmlinuz";
export const SBOM = "sbom.cdx.json";
export const logOf = ({ id }: InitramfsCell): string => `${id}.log`;

/** A cell with the variables of the environment applied, and all overrides that the user asks for; sorted. */
export function asked(
  { cells, options }: Pick<Workshop, "cells" | "options">,
  declared: InitramfsCell,
): { cell: InitramfsCell; overrides: string[] } {
  const { cell, overrides } = initramfsOverrides(declared, process.env);
  return { cell, overrides: [...overridesOf(cells, options, declared.flavor), ...overrides] };
}

/**
 * container image -> cpio, audited -> xz -> EFI file, in `directory`: both assets, KERNEL, SBOM and the log.
 * @param look called with the content of the initramfs. @default none
 * @throws PipelineError if a step fails, with the audit's findings, or if a budget is exceeded
 */
export async function makeAppliance(
  workshop: Workshop,
  declared: InitramfsCell,
  directory: string,
  look: (rootfs: Rootfs) => Promise<void> = async () => {},
): Promise<BuildFacts> {
  const { docker, run, epoch, options } = workshop;
  const { cell, overrides: wanted } = asked(workshop, declared);
  const container = await buildContainer(workshop, cell, inputsWith(declared, wanted), directory);
  await writeFile(join(directory, logOf(cell)), `${container.log.join("\n")}\n`);
  const tools = await ensureEfiTools(docker, workshop.tools, cell.arch, options, run);
  await copyOut(docker, container.image, "/boot", directory);
  const resolved = await readResolved(join(directory, "modules.json"));
  const stub = await efiStubVersion(docker, tools, directory, run);
  const { arch, assets, budget } = cell;
  const [cpio = "", efi = ""] = assets;

  const exported = { arch, directory, tools: workshop.tools, baseOrder: [], epoch };
  const { contents, packed, osRelease } = await withRootfs(
    docker,
    container.image,
    exported,
    run,
    async (all) => {
      const rootfs = bootable(all);
      const recipe = recipeWith(workshop, cell, rootfs, container.programs, resolved);
      run.progress.step("find the owner of each file");
      const stubComponent = {
        type: "generic",
        name: "systemd-boot-efi",
        version: stub,
        license: [],
      } as const;
      const contents = await contentsOf(rootfs, { recipe, arch, also: [stubComponent] });
      for (const each of contents.unused) run.progress.warn(`${cell.id}: ${each}`);
      const { size, files } = contents;
      if (budget) checkBudget({ what: "its files", bytes: size, limit: budget.content, files }, undefined);
      run.progress.step("make the cpio (xz)");
      const { unowned } = contents.accounting;
      const audit = new Audit({ arch, program: null, secrets: options.secrets });
      let done = 0;
      const archive = toCpio(rootfs, (entry, chunk) => {
        audit.chunk(entry, chunk);
        done += chunk.length;
        run.progress.bytes(done, size);
      });
      const packed = await compressXz(
        docker,
        archive,
        { directory, name: cpio, tools, level: options.level },
        run,
      );
      const findings = [...(await audit.findings(rootfs, unowned)), ...(await debugFindings(rootfs, cell))];
      if (findings.length > 0) throw refuse(cell.id, findings);
      await look(rootfs);
      const osRelease = (await rootfs.read("etc/os-release")) ?? (await rootfs.read("usr/lib/os-release"));
      return { contents, packed, osRelease };
    },
  );
  run.progress.step("make the EFI file");
  const executable = await makeEfi(
    docker,
    {
      ...{ arch, directory, name: efi, kernel: KERNEL, initrd: cpio, epoch, tools },
      ...{ commandLine: initramfsCommandLine(cell), osRelease: osRelease ?? "", release: resolved.release },
    },
    run,
  );
  await writeFile(join(directory, SBOM), contents.sbom);
  const hash = await sha256File(executable.path, run.signal);
  const whole = { sha256: hash, size: executable.size, imageSha256: hash, imageSize: executable.size };
  for (const { path, size } of [packed, executable]) {
    const what = `the bytes of ${path.split("/").at(-1)}`;
    if (budget) checkBudget({ what, bytes: size, limit: budget.asset, files: contents.files }, undefined);
  }
  const overrides = [...wanted, ...container.overrides];
  return [packed, whole].map(({ sha256, size, imageSha256, imageSize }, index) => ({
    schema_version: 1,
    ...{ id: cell.id, kind: "initramfs", arch, name: cell.name, flavor: cell.flavor, mode: cell.mode },
    asset: assets[index]!,
    ...{ sha256, size, image_sha256: imageSha256, image_size: imageSize },
    ...{ inputs: inputsWith(declared, overrides), overrides, source: container.source },
    kernel: { package: resolved.package, version: resolved.version, release: resolved.release },
    ...{ modules: resolved.modules, programs: container.programs, content_size: contents.size },
    sbom: sbomFacts(assets[index]!, contents.sbom, contents.packages),
    packages: contents.packages.map(({ type, name, version }) => ({ type, name, version })),
  }));
}

/** What the recipe puts in, with the paths and versions that the build found: `/sbin` is a link in some userlands. */
function recipeWith(
  { cells }: Workshop,
  cell: InitramfsCell,
  { entries }: Rootfs,
  programs: InitramfsFacts["programs"],
  kernel: ResolvedModules,
) {
  const recipe = recipeOf(cells, cell);
  const tree = new FileTree(entries);
  const copies = recipe.copies.map((declared) => {
    const entry = tree.resolve(declared.path);
    const copy = entry ? { ...declared, path: `/${entry.path}` } : declared;
    const program = programs.find(({ path }) => path === declared.path);
    if (program) return { ...copy, version: program.version, source: program.url };
    if (copy.name !== cell.kernel.package) return copy;
    // A package of another distribution than the userland's has no package URL of that.
    const type = cell.kernel.flavor === cell.flavor ? copy.type : ("generic" as const);
    return { ...copy, type, name: kernel.package, version: kernel.version };
  });
  return { ...recipe, copies };
}

async function readResolved(path: string): Promise<ResolvedModules> {
  const found = ResolvedModules.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (found.success) return found.data;
  throw new PipelineError("/boot/modules.json of the container image does not list the kernel's modules", {
    code: "docker-build-failed",
    fix: "see dockerfiles/initramfs/modules.sh, which writes it",
    details: z.prettifyError(found.error).split("\n"),
  });
}
