import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import type { KernelCell } from "../schema/cells.ts";
import type { Package } from "../schema/facts.ts";
import type { Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import type { Run } from "../util/progress.ts";
import { buildImage, copyOut } from "./docker/container-image.ts";
import { hasImage } from "./docker/engine.ts";
import { importRootfs, type SourceOptions } from "./rootfs/source.ts";

export interface KernelOptions extends Omit<SourceOptions, "arch"> {
  readonly root: string;
  /** The arch of the machine that Docker runs on. */
  readonly dockerArch: Arch;
}

/** About how many files make reports for a kernel of each arch; only the progress depends on it. */
const FILES: Record<Arch, number> = { amd64: 2000, arm64: 1800 };

/**
 * Compiles a kernel in a container and copies the results into `directory`: `elf`, `image`, `config` (as
 * resolved), `probe.cpio`. If Docker has a container image for the same inputs, the results come from there.
 * Returns the packages of the build container, and the version of the kernel's source.
 * @throws PipelineError that says what is wrong with the configuration
 */
export async function buildKernel(
  docker: Docker,
  cell: KernelCell,
  directory: string,
  options: KernelOptions,
  run: Run,
): Promise<{ packages: Package[]; version: string }> {
  const tag = `smolvm/${cell.id}:${cell.inputs.slice(0, 12)}`;
  if (options.noCache || !(await hasImage(docker, tag))) {
    const imported = await importRootfs(
      docker,
      cell.sources,
      { ...options, arch: options.dockerArch, noCache: false },
      run,
    );
    // A short title, so that a terminal has room for a progress bar.
    run.progress.step(`compile ${cell.id}`);
    let files = 0;
    await buildImage(
      docker,
      {
        root: options.root,
        dockerfile: cell.dockerfile,
        files: cell.files,
        arch: options.dockerArch,
        tag,
        args: { ROOTFS: imported.image, ARCH: cell.arch },
        network: options.network,
        noCache: options.noCache,
        onLine: (line) => {
          if (reportsFile(line)) run.progress.count(++files, FILES[cell.arch], "files");
        },
      },
      run,
    );
  }
  await mkdir(directory, { recursive: true });
  await copyOut(docker, tag, "/kernel/out", directory);
  const list = join(directory, "packages");
  const packages = parsePackages(await readFile(list, "utf8"));
  await rm(list);
  const source = packages.find(({ name }) => name === cell.source.package);
  if (!source)
    throw new PipelineError(`${cell.id}: the build's list of packages has no ${cell.source.package}`, {
      code: "docker-build-failed",
      fix: `make the step that installs it write it to /kernel/out/packages (${cell.dockerfile})`,
    });
  return { packages, version: source.version };
}

/** Whether a line of make's output reports a file that is made: `  CC      init/main.o`, `  AR      init/built-in.a`. */
const reportsFile = (line: string) => /^ {2}[A-Z][A-Z0-9]* +\S/.test(line);

function parsePackages(text: string): Package[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [name = "", version = ""] = line.split(" ");
      return { type: "deb", name, version };
    });
}
