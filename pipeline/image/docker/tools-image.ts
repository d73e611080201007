import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { x } from "tinyexec";
import type { Cells } from "../../schema/cells.ts";
import { Arch } from "../../schema/names.ts";
import { locate } from "../../schema/recipes.ts";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { importRootfs } from "../rootfs/source.ts";
import { type BuildOptions, buildImage, exportImage } from "./container-image.ts";
import { hasImage } from "./engine.ts";
import { archOf, importImage } from "./image-arch.ts";
import type { Network } from "./network.ts";

export interface ToolsOptions {
  readonly root: string;
  readonly cache: string;
  readonly sourceDateEpoch: number;
  readonly network: Network;
}

/** The arch of the machine on which Docker runs. @throws PipelineError if images cannot be built on that arch */
export async function dockerArch(docker: Docker): Promise<Arch> {
  const { Arch: reported } = await docker.version();
  const arch = Arch.safeParse(reported);
  if (!arch.success) {
    throw new PipelineError(`Docker runs on ${reported}, where images cannot be built`, {
      code: "wrong-arch",
      fix: "use Docker on amd64 or arm64",
    });
  }
  return arch.data;
}

/** The name of the tool container's image for these inputs. */
export const toolsImage = (tools: Cells["tools"]) => `smolvm/tools:${tools.inputs.slice(0, 12)}`;

/** Builds the tool container's image, unless there is one for these inputs. Returns its name. */
export async function ensureTools(
  docker: Docker,
  tools: Cells["tools"],
  options: ToolsOptions,
  run: Run,
): Promise<string> {
  const image = toolsImage(tools);
  if (await hasImage(docker, image)) return image;

  const arch = await dockerArch(docker);
  const { image: rootfs } = await importRootfs(
    docker,
    tools.sources,
    { ...options, arch, noCache: false },
    run,
  );
  run.progress.step("build the tool container (mke2fs, zstd, Node, npm)");
  await buildWithNode(
    docker,
    arch,
    options,
    { dockerfile: tools.dockerfile, files: tools.files, arch, tag: image, args: { ROOTFS: rootfs } },
    run,
  );
  return image;
}

/** The Dockerfile of the tool container for recipes of another arch than Docker's. */
const CROSS = "dockerfiles/tools/cross.Dockerfile";

/**
 * Makes the image of the tool container for recipes of an arch that is not Docker's, from `tools`, the image for Docker's.
 * Its programs are not emulated. Returns its name.
 */
export async function ensureCrossTools(
  docker: Docker,
  tools: string,
  arch: Arch,
  options: ToolsOptions,
  run: Run,
): Promise<string> {
  const recipe = createHash("sha256")
    .update(await readFile(locate(options.root, CROSS)))
    .digest("hex");
  const image = `${tools}-${arch}-${recipe.slice(0, 12)}`;
  if ((await archOf(docker, image)) === arch) return image;
  run.progress.step(`build the tool container for ${arch}`);
  const native = `${image}-native`;
  await buildWithNode(
    docker,
    arch,
    options,
    { dockerfile: CROSS, files: [], arch: await dockerArch(docker), tag: native, args: { TOOLS: tools } },
    run,
  );
  // A newer Docker refuses a stage whose image has another arch than what is built, so this one gets that label.
  const content = await exportImage(docker, native, run);
  await importImage(docker, content, image, arch, { npm_config_cpu: NPM_CPUS[arch] });
  // By force: the container that was exported may still be there.
  await docker.getImage(native).remove({ force: true });
  return image;
}

/** Builds a recipe of the tool container. Its context has Node for `arch`, and npm. */
async function buildWithNode(
  docker: Docker,
  arch: Arch,
  { root, cache, network }: ToolsOptions,
  recipe: Pick<BuildOptions, "dockerfile" | "files" | "arch" | "tag" | "args">,
  run: Run,
): Promise<void> {
  const prefix = join(cache, `tools-${process.pid}`);
  try {
    await npmCi(root, prefix, arch, run);
    const tree = { from: join(prefix, "node_modules"), to: "dockerfiles/tools/node_modules" };
    await buildImage(docker, { ...recipe, root, tree, network, noCache: false }, run);
  } finally {
    await rm(prefix, { recursive: true, force: true });
  }
}

/** npm's names of archs. */
const NPM_CPUS: Record<Arch, string> = { amd64: "x64", arm64: "arm64" };

/**
 * Installs the packages of the tool container with the host's npm, because the container has no npm yet. The lockfile
 * has their hashes.
 */
async function npmCi(root: string, prefix: string, arch: Arch, run: Run): Promise<void> {
  await mkdir(prefix, { recursive: true });
  const cpu = `--cpu=${NPM_CPUS[arch]}`;
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--os=linux", cpu, "--libc=glibc"];
  for (const name of ["package.json", "package-lock.json"]) {
    await copyFile(locate(root, `dockerfiles/tools/${name}`), join(prefix, name));
  }
  const { exitCode, stderr } = await x("npm", ["ci", ...flags], {
    signal: run.signal,
    nodeOptions: { cwd: prefix },
  });
  run.signal.throwIfAborted();
  if (exitCode !== 0) {
    throw new PipelineError("npm ci of dockerfiles/tools/package-lock.json failed", {
      code: "not-fetched",
      fix: "see npm's last lines below",
      details: stderr.trim().split("\n").slice(-10),
    });
  }
}
