import { createHash } from "node:crypto";
import { cp, lstat, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type Docker from "dockerode";
import { z } from "zod";
import { bundledCells } from "../client/bundled.ts";
import { type DownloadOptions, download } from "../client/download.ts";
import { isBuiltHere, lookUp, storeOf } from "../client/local-store.ts";
import { findKernel, type Remote, remoteOf } from "../client/manifest.ts";
import { readPublicKey } from "../client/public-key.ts";
import { buildImage } from "../image/docker/container-image.ts";
import { connect } from "../image/docker/engine.ts";
import { buildNetwork, type NetworkOptions, networkFromEnvironment } from "../image/docker/network.ts";
import { dockerArch, ensureTools } from "../image/docker/tools-image.ts";
import type { Meant } from "../image/rootfs/audit.ts";
import { makeAuditedImage } from "../image/rootfs/audited-image.ts";
import type { Rootfs } from "../image/rootfs/normalise.ts";
import { npmPackages } from "../image/rootfs/npm-packages.ts";
import { account } from "../image/rootfs/ownership/account.ts";
import { plainRecipe } from "../image/rootfs/ownership/recipe.ts";
import { listPackages } from "../image/rootfs/packages.ts";
import { withRootfs } from "../image/rootfs/rootfs.ts";
import { secretsOf } from "../image/rootfs/secrets.ts";
import { importRootfs } from "../image/rootfs/source.ts";
import { BOOT_FILES } from "../schema/boot-files.ts";
import type { RootfsSource } from "../schema/cells.ts";
import { ofKind } from "../schema/kinds/index.ts";
import { type Arch, assetNameOf } from "../schema/names.ts";
import { PipelineError } from "../util/error.ts";
import { PACKAGE } from "../util/package.ts";
import { type Run, unwatched } from "../util/progress.ts";
import { readRecord } from "../util/record.ts";
import { hostArch } from "../vm/accel.ts";
import { BOOT_ARGS } from "../vm/firecracker/api.ts";
import { failingAs, ImageError } from "./image-error.ts";
import { alpineRecipe, debianRecipe, type Login } from "./recipes.ts";

/** The kernel parameters for these images: those of Firecracker's guide, and `init=/init`. */
export const SSH_BOOT_ARGS = BOOT_ARGS;

/** Where an `ImageBuilder` keeps its images, and from what it makes them. */
export interface ImageBuilderOptions {
  /** @default ~/.smolvm/images */
  readonly cacheDir?: string;
  /** Mirrors and a CA for the build; the image does not contain them. @default those of the environment variables */
  readonly network?: NetworkOptions;
  /**
   * The sources of Alpine's root file system; the first that can be reached is used. @default those of the release's
   * Alpine base
   */
  readonly alpine?: readonly RootfsSource[];
  /** Progress and cancellation. @default none */
  readonly run?: Run;
}

/** The paths of an image that can be booted with SSH_BOOT_ARGS. */
export interface BuiltImage {
  /** The path of the kernel, in the format that QEMU starts. */
  readonly kernelPath: string;
  /** The path of the ext4 image. It is not compressed. */
  readonly rootfsPath: string;
}

interface Common {
  /** The image's name, and its directory in the cache. @default the distribution and the kind of login, such as alpine-ssh */
  readonly name?: string;
  /** The size of the ext4 image, MiB. @default 512 for Alpine, 2048 for Debian */
  readonly rootfsSizeMb?: number;
  /** The kernel's address or path. @default qemuKernelUrlForHost() */
  readonly kernelUrl?: string;
}
interface WithKey extends Common {
  /** A public key, or the path of a file with one. */
  readonly sshPublicKey: string;
}

/** The record in an image's directory. A directory without it was not made by ImageBuilder. */
const IMAGE_RECORD = "image.json";
const Built = z.strictObject({ inputs: z.string() });

/**
 * Builds custom SSH images: a distribution with `/init`, sshd, and a key or a password for root.
 * @example
 * ```ts
 * const image = await new ImageBuilder().buildDebianSshKey({ sshPublicKey: "~/.ssh/id_ed25519.pub" });
 * console.log(image.rootfsPath);
 * ```
 */
export class ImageBuilder {
  /** The absolute path of the directory in which finished images are kept. */
  readonly cacheDir: string;
  readonly #options: ImageBuilderOptions;
  readonly #run: Run;

  constructor(options: ImageBuilderOptions = {}) {
    this.cacheDir = options.cacheDir ?? join(homedir(), ".smolvm", "images");
    this.#options = options;
    this.#run = options.run ?? unwatched();
  }

  /** Whether a Docker Engine answers, so that images can be built. */
  async checkDocker(): Promise<boolean> {
    return await connect().then(
      () => true,
      () => false,
    );
  }

  /** Builds an Alpine image in which root logs in with a password. @throws ImageError if that fails */
  async buildAlpineSsh(options: Common & { readonly sshPassword?: string } = {}): Promise<BuiltImage> {
    const { name = "alpine-ssh", sshPassword = "smolvm", rootfsSizeMb = 512, kernelUrl } = options;
    return await this.#build({ name, rootfsSizeMb, kernelUrl }, await this.#alpine(), {
      recipe: alpineRecipe,
      login: { password: sshPassword },
    });
  }

  /** Builds an Alpine image in which root logs in with a key. @throws ImageError if that fails */
  async buildAlpineSshKey(options: WithKey): Promise<BuiltImage> {
    const { name = "alpine-ssh-key", sshPublicKey, rootfsSizeMb = 512, kernelUrl } = options;
    const key = await failingAs("key", () => readPublicKey(sshPublicKey));
    return await this.#build({ name, rootfsSizeMb, kernelUrl }, await this.#alpine(), {
      recipe: alpineRecipe,
      login: { key: key.text },
      newerThan: key.path,
    });
  }

  /** Builds a Debian image in which root logs in with a key. @throws ImageError if that fails */
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
      this.#run.progress.step(`using the kernel that was built in this checkout: ${storeOf(kernel)}`);
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

  /** container build -> tar, normalised and audited -> ext4, with the same code as for published images. */
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

/** Refuses names that are not valid, and those of the other directories in the cache. @throws ImageError */
function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]*$/.test(name) && !["sha256", "cache"].includes(name)) return;
  const rule = 'lower-case letters, digits, ".", "_", "-"; not "sha256" or "cache"';
  throw new ImageError(
    "build",
    new PipelineError(`image name "${name}" is not valid`, { fix: `use ${rule}` }),
  );
}

/** Checks that a directory does not exist or has an earlier image. Nothing else is replaced. @throws PipelineError */
async function checkReplaceable(directory: string): Promise<void> {
  const there = await lstat(directory).catch(() => undefined);
  if (!there) return;
  if (there.isDirectory() && (await readRecord(join(directory, IMAGE_RECORD), Built))) return;
  throw new PipelineError(`${directory} was not made by ImageBuilder`, {
    ...{ code: "not-ours", fix: "choose another name, or remove that path yourself" },
  });
}

const BOOT_PATHS = BOOT_FILES.map(({ from }) => from);

/** The password or key as a build argument, in base64 because it may have characters that are special to a shell. */
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

/** Makes the ext4 image as for a published image, with the same audit, except that it allows the requested login of root. */
async function ext4Of(docker: Docker, image: string, settings: Ext4Settings, run: Run): Promise<void> {
  const { title, work: directory, arch, tools, sizeMib, epoch, secrets } = settings;
  const login = "password" in settings.login ? "password" : "key";
  const passwords = login === "password" ? ["root"] : [];
  const meant = { arch, program: null, login, secrets } as const;
  await withRootfs(
    docker,
    image,
    { arch, directory, tools, baseOrder: [], epoch, passwords },
    run,
    async (rootfs) => {
      await reportUnowned(rootfs, title, run);
      await makeAuditedImage(
        docker,
        rootfs,
        { title, meant, directory, name: "rootfs.ext4", sizeMib, epoch, tools, sizeKnob: "rootfsSizeMb" },
        run,
      );
    },
  );
}

/** Files without an owner that a warning names. */
const NAMED_UNOWNED = 5;

/**
 * Warns of files that belong to nobody. They are refused in a published image only: a user's own container image may have
 * files of its own, and these are the user's to judge.
 */
async function reportUnowned(rootfs: Rootfs, title: string, run: Run): Promise<void> {
  const npm = await npmPackages(rootfs);
  const packages = await listPackages(rootfs, npm);
  const plain = plainRecipe(title);
  const recipe = { ...plain, writes: [...plain.writes, "/root/.ssh/authorized_keys"] };
  const { unowned, totals } = await account(rootfs, { packages, npm, recipe });
  if (unowned.length === 0) return;
  const named = unowned.slice(0, NAMED_UNOWNED).map(({ path }) => path);
  const more = unowned.length > named.length ? ", …" : "";
  run.progress.warn(
    `${title}: ${unowned.length} files with ${totals.unowned.bytes} bytes belong to no package: ${named.join(", ")}${more}`,
  );
}

/** Whether there is an image of these inputs that is not older than the key's file. */
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

/** The container image, and then mmdebstrap with the image's suite, in case no registry can be reached. */
function debianSources(image: string): RootfsSource[] {
  const suite = /(?:^|\/)debian:([a-z]+)/.exec(image)?.[1];
  return [{ from: "image", image }, ...(suite ? [{ from: "mmdebstrap" as const, suite }] : [])];
}

/**
 * The address of the kernel that QEMU boots on this machine: in a checkout the one that was built there (a file:
 * address), otherwise the release's. @throws PipelineError if there is none
 */
export async function qemuKernelUrlForHost(): Promise<string> {
  return (await hostKernel(unwatched())).url;
}

const hostKernel = async (run: Run): Promise<Remote> =>
  await lookUp((manifest) => findKernel(manifest, hostArch(), "image"), run);

/** The address of a kernel. Without a hash its bytes are not verified. */
type KernelSource = DownloadOptions["remote"];

/** The kernel that the user names, with its hash if the manifest has it; otherwise the kernel for this machine. */
async function kernelFrom(address: string | undefined, run: Run): Promise<KernelSource> {
  if (address === undefined) return await hostKernel(run);
  const known = await lookUp((manifest) => {
    const row = manifest.kernels.find((each) => each.url === address);
    return row && remoteOf(manifest, row.url, row.sha256);
  }, run);
  const url = URL.canParse(address) ? address : pathToFileURL(resolve(address)).href;
  return { url, sha256: known?.sha256, size: known?.size };
}

/** An id that changes when the kernel changes. The address of a locally built kernel stays the same, so its hash is used. */
const idOf = ({ url, sha256 }: KernelSource) => (url.startsWith("file:") && sha256 ? sha256 : url);

async function fetchKernel(kernel: KernelSource, target: string, run: Run): Promise<void> {
  run.progress.step(`fetch ${assetNameOf(kernel.url)}`);
  await download({ remote: kernel, mirrors: [], unpack: false }, target, run);
}
