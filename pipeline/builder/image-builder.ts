import { createHash } from "node:crypto";
import { cp, lstat, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type Docker from "dockerode";
import { z } from "zod";
import { bundledCells } from "../client/bundled.ts";
import { type DownloadOptions, download } from "../client/download.ts";
import { isBuiltHere, lookUp, storeOf } from "../client/local-store.ts";
import { findKernel, type Remote } from "../client/manifest.ts";
import { readPublicKey } from "../client/public-key.ts";
import { buildImage } from "../image/docker/container-image.ts";
import { connect } from "../image/docker/engine.ts";
import { buildNetwork, type NetworkOptions, networkFromEnvironment } from "../image/docker/network.ts";
import { dockerArch, ensureTools } from "../image/docker/tools-image.ts";
import type { Meant } from "../image/rootfs/audit.ts";
import { makeAuditedImage } from "../image/rootfs/audited-image.ts";
import { withRootfs } from "../image/rootfs/rootfs.ts";
import { secretsOf } from "../image/rootfs/secrets.ts";
import { importRootfs } from "../image/rootfs/source.ts";
import { BOOT_FILES } from "../schema/boot-files.ts";
import type { RootfsSource } from "../schema/cells.ts";
import { ofKind } from "../schema/kinds/index.ts";
import type { Arch } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { hostArch } from "../vm/accel.ts";
import { BOOT_ARGS } from "../vm/firecracker/api.ts";
import { failingAs, ImageError } from "./image-error.ts";
import { alpineRecipe, debianRecipe, type Login } from "./recipes.ts";

/** What a machine from such an image is booted with: Firecracker's own arguments, and `/init`. */
export const SSH_BOOT_ARGS = BOOT_ARGS;

export interface ImageBuilderOptions {
  /** @default ~/.smolvm/images */
  readonly cacheDir?: string;
  /** Mirrors and a CA, for the build alone. @default those of the environment */
  readonly network?: NetworkOptions;
  /** Where Alpine's first files come from. @default what the release's Alpine is made from */
  readonly alpine?: readonly RootfsSource[];
  /** Progress and cancellation. @default none */
  readonly run?: Run;
}

/** An image that can be booted: see SSH_BOOT_ARGS. */
export interface BuiltImage {
  readonly kernelPath: string;
  readonly rootfsPath: string;
}

interface Common {
  readonly name?: string;
  readonly rootfsSizeMb?: number;
  /** An address or a path. @default qemuKernelUrlForHost() */
  readonly kernelUrl?: string;
}
interface WithKey extends Common {
  /** A public key, or the path of one. */
  readonly sshPublicKey: string;
}

/** What is known of an image that was made before, and what says that it was. */
const IMAGE_RECORD = "image.json";
const Built = z.strictObject({ inputs: z.string() });

/** Makes SSH images of one's own: a distribution, `/init`, sshd, and a key or a password. */
export class ImageBuilder {
  readonly cacheDir: string;
  readonly #options: ImageBuilderOptions;
  readonly #run: Run;

  constructor(options: ImageBuilderOptions = {}) {
    this.cacheDir = options.cacheDir ?? join(homedir(), ".smolvm", "images");
    this.#options = options;
    this.#run = options.run ?? unwatched();
  }

  /** Whether images can be made here: a Docker Engine answers. */
  async checkDocker(): Promise<boolean> {
    return await connect().then(
      () => true,
      () => false,
    );
  }

  /** Alpine, into which root logs in with a password. @throws ImageError */
  async buildAlpineSsh(options: Common & { readonly sshPassword?: string } = {}): Promise<BuiltImage> {
    const { name = "alpine-ssh", sshPassword = "smolvm", rootfsSizeMb = 512, kernelUrl } = options;
    return await this.#build({ name, rootfsSizeMb, kernelUrl }, await this.#alpine(), {
      recipe: alpineRecipe,
      login: { password: sshPassword },
    });
  }

  /** Alpine, into which root logs in with a key. @throws ImageError */
  async buildAlpineSshKey(options: WithKey): Promise<BuiltImage> {
    const { name = "alpine-ssh-key", sshPublicKey, rootfsSizeMb = 512, kernelUrl } = options;
    const key = await failingAs("key", () => readPublicKey(sshPublicKey));
    return await this.#build({ name, rootfsSizeMb, kernelUrl }, await this.#alpine(), {
      recipe: alpineRecipe,
      login: { key: key.text },
      newerThan: key.path,
    });
  }

  /** Debian, into which root logs in with a key. @throws ImageError */
  async buildDebianSshKey(options: WithKey & { readonly baseImage?: string }): Promise<BuiltImage> {
    const { name = "debian-ssh-key", sshPublicKey, rootfsSizeMb = 2048, kernelUrl } = options;
    const { baseImage = "debian:bookworm-slim" } = options;
    const key = await failingAs("key", () => readPublicKey(sshPublicKey));
    return await this.#build({ name, rootfsSizeMb, kernelUrl }, debianSources(baseImage), {
      recipe: debianRecipe,
      login: { key: key.text },
      newerThan: key.path,
    });
  }

  async #alpine(): Promise<readonly RootfsSource[]> {
    if (this.#options.alpine) return this.#options.alpine;
    const { cells } = bundledCells();
    const arch = hostArch();
    const cell = ofKind(cells, "base").find((each) => each.flavor === "alpine" && each.arch === arch);
    return cell?.sources ?? [];
  }

  async #build(
    { name, rootfsSizeMb, kernelUrl }: { name: string; rootfsSizeMb: number; kernelUrl: string | undefined },
    sources: readonly RootfsSource[],
    what: { recipe: (login: Login) => string; login: Login; newerThan?: string | undefined },
  ): Promise<BuiltImage> {
    checkName(name);
    const directory = join(this.cacheDir, name);
    const built = { kernelPath: join(directory, "vmlinux"), rootfsPath: join(directory, "rootfs.ext4") };
    const dockerfile = what.recipe(what.login);
    const kernel = await failingAs("kernel", () => kernelFrom(kernelUrl, this.#run));
    const bootFiles = await Promise.all(BOOT_PATHS.map((path) => readFile(join(PACKAGE, path), "utf8")));
    const { source_date_epoch: epoch } = bundledCells();
    const inputs = createHash("sha256")
      .update(JSON.stringify([dockerfile, what.login, sources, rootfsSizeMb, idOf(kernel), bootFiles, epoch]))
      .digest("hex");
    if (isBuiltHere(kernel)) {
      this.#run.progress.step(`using the kernel that this checkout has built: ${storeOf(kernel)}`);
    }
    if (await isCurrent(directory, built, inputs, what.newerThan)) return built;
    await failingAs("filesystem", () => checkReplaceable(directory));

    const work = `${directory}.${process.pid}.partial`;
    await failingAs("filesystem", () => mkdir(work, { recursive: true }));
    try {
      await this.#makeRootfs(work, name, dockerfile, sources, rootfsSizeMb, what.login);
      await failingAs("kernel", () => fetchKernel(kernel, join(work, "vmlinux"), this.#run));
      await failingAs("filesystem", async () => {
        await writeFile(join(work, IMAGE_RECORD), JSON.stringify({ inputs }));
        await checkReplaceable(directory);
        await rm(directory, { recursive: true, force: true });
        await rename(work, directory);
      });
      return built;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /** container build -> tar, scrubbed and dated -> ext4, by what makes the published images. */
  async #makeRootfs(
    work: string,
    name: string,
    dockerfile: string,
    sources: readonly RootfsSource[],
    sizeMib: number,
    login: Login,
  ): Promise<void> {
    const run = this.#run;
    const docker = await failingAs("docker", connect);
    const network = buildNetwork(
      networkFromEnvironment(process.env, this.#options.network ?? {}),
      process.env,
    );
    const arch = await failingAs("docker", () => dockerArch(docker));
    const cache = join(this.cacheDir, "cache");
    const { tools: declared, source_date_epoch: epoch } = bundledCells();
    const settings = { root: PACKAGE, cache, sourceDateEpoch: epoch, network };
    await failingAs("build", async () => {
      const tools = await ensureTools(docker, declared, settings, run);
      const from = await importRootfs(docker, sources, { ...settings, arch, noCache: false }, run);
      await writeFile(join(work, "Dockerfile"), dockerfile);
      for (const path of BOOT_PATHS) await cp(join(PACKAGE, path), join(work, path));
      const tag = `smolvm/built-${name}:latest`;
      run.progress.step("docker build");
      await buildImage(
        docker,
        {
          ...{ root: work, dockerfile: "Dockerfile", files: BOOT_PATHS, arch, tag, network, noCache: false },
          args: { ROOTFS: from.image, ...secretArgs(login) },
        },
        run,
      );
      const secrets = secretsOf(network, process.env);
      await ext4Of(docker, tag, { title: name, work, arch, tools, sizeMib, epoch, login, secrets }, run);
    });
  }
}

/** Images lie beside what is pulled, and what is downloaded. @throws ImageError */
function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]*$/.test(name) && !["sha256", "cache"].includes(name)) return;
  const rule = 'lower-case letters, digits, ".", "_", "-"; not "sha256" or "cache"';
  throw new ImageError("build", new PipelineError(`image name "${name}": ${rule}`));
}

/** An image that was made before is replaced, and nothing else that is there. @throws PipelineError */
async function checkReplaceable(directory: string): Promise<void> {
  const there = await lstat(directory).catch(() => undefined);
  if (!there) return;
  if (there.isDirectory() && (await readRecord(join(directory, IMAGE_RECORD), Built))) return;
  throw new PipelineError(`${directory} is not an image that was built here`, {
    ...{ code: "not-ours", fix: "choose another name, or remove it yourself" },
  });
}

const BOOT_PATHS = BOOT_FILES.map(({ from }) => from);

/** Bytes that a shell would take for its own go as base64. */
const secretArgs = (login: Login): Record<string, string> =>
  "password" in login
    ? { PASSWORD_B64: Buffer.from(`root:${login.password}\n`).toString("base64") }
    : { KEY_B64: Buffer.from(`${login.key}\n`).toString("base64") };

interface Ext4Settings extends Pick<Meant, "secrets"> {
  /** The image's name. */
  readonly title: string;
  readonly work: string;
  readonly arch: Arch;
  readonly tools: string;
  readonly sizeMib: number;
  readonly epoch: number;
  readonly login: Login;
}

/** The same recipe, and the same audit, as of a published image; but root may log in as was asked for. */
async function ext4Of(docker: Docker, image: string, settings: Ext4Settings, run: Run): Promise<void> {
  const { title, work: directory, arch, tools, sizeMib, epoch, secrets } = settings;
  const login = "password" in settings.login ? "password" : "key";
  const passwords = login === "password" ? ["root"] : [];
  const meant = { arch, program: null, login, secrets } as const;
  await withRootfs(docker, image, { arch, directory, baseOrder: [], epoch, passwords }, run, (rootfs) =>
    makeAuditedImage(
      docker,
      rootfs,
      { title, meant, directory, name: "rootfs.ext4", sizeMib, epoch, tools, sizeKnob: "rootfsSizeMb" },
      run,
    ),
  );
}

/** Whether an image of these inputs is there, and no key is newer than it. */
async function isCurrent(
  directory: string,
  built: BuiltImage,
  inputs: string,
  newerThan?: string,
): Promise<boolean> {
  const record = await readRecord(join(directory, IMAGE_RECORD), Built);
  if (record?.inputs !== inputs) return false;
  const [rootfs, kernel, key] = await Promise.all(
    [built.rootfsPath, built.kernelPath, newerThan].map((path) => path && stat(path).catch(() => undefined)),
  );
  if (!rootfs || !kernel) return false;
  return !key || key.mtimeMs <= rootfs.mtimeMs;
}

/** A named image first, and where no registry answers, the suite that it is named after. */
function debianSources(image: string): RootfsSource[] {
  const suite = /(?:^|\/)debian:([a-z]+)/.exec(image)?.[1];
  return [{ from: "image", image }, ...(suite ? [{ from: "mmdebstrap" as const, suite }] : [])];
}

/**
 * Where the kernel is that QEMU starts on this machine: in a checkout the one that it has built (a file: address), else
 * the release's. @throws PipelineError where there is none
 */
export async function qemuKernelUrlForHost(): Promise<string> {
  return (await hostKernel(unwatched())).url;
}

const hostKernel = async (run: Run): Promise<Remote> =>
  await lookUp((manifest) => findKernel(manifest, hostArch(), "image"), run);

/** A kernel; without a hash it is taken as it comes. */
type KernelSource = DownloadOptions["remote"];

/** The kernel that the user names, of which the manifest may know the hash; else the one for this machine. */
async function kernelFrom(address: string | undefined, run: Run): Promise<KernelSource> {
  if (address === undefined) return await hostKernel(run);
  const known = await lookUp(({ kernels }) => kernels.find((each) => each.url === address), run);
  const url = URL.canParse(address) ? address : pathToFileURL(resolve(address)).href;
  return { url, sha256: known?.sha256, size: known?.size };
}

/** What says whether a kernel is the same one: what is built here keeps its address when it becomes another. */
const idOf = ({ url, sha256 }: KernelSource) => (url.startsWith("file:") && sha256 ? sha256 : url);

async function fetchKernel(kernel: KernelSource, target: string, run: Run): Promise<void> {
  run.progress.step(`fetch ${basename(new URL(kernel.url).pathname)}`);
  await download({ remote: kernel, mirrors: [], unpack: false }, target, run);
}
