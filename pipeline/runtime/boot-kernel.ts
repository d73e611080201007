import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { OWNER_LABEL, removeContainer } from "../build/docker.ts";
import { buildImage } from "../build/image.ts";
import type { Network } from "../build/network.ts";
import type { Arch } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import type { Kernel } from "../vm/verify.ts";

const DIRECTORY = "dockerfiles/boot-kernel";
const FILES = ["dockerfiles/network/env", `${DIRECTORY}/init`, `${DIRECTORY}/make-initrd`];

export interface BootKernelOptions {
  readonly root: string;
  readonly cache: string;
  readonly arch: Arch;
  readonly tools: string;
  readonly network: Network;
}

/** The kernel that images are booted with: made once for its inputs, then taken from the cache. */
export async function bootKernel(docker: Docker, options: BootKernelOptions, run: Run): Promise<Kernel> {
  const hash = createHash("sha256").update(options.tools);
  for (const file of [`${DIRECTORY}/Dockerfile`, ...FILES])
    hash.update(await readFile(join(options.root, file)));
  const inputs = hash.digest("hex").slice(0, 12);
  const directory = join(options.cache, `boot-kernel-${options.arch}-${inputs}`);
  const kernel = { kernel: join(directory, "kernel"), initrd: join(directory, "initrd") };
  if (await stat(kernel.kernel).catch(() => undefined)) return kernel;

  run.progress.step("fetch a kernel to boot with (Debian's cloud kernel)");
  const image = `smolvm/boot-kernel:${options.arch}-${inputs}`;
  await buildImage(
    docker,
    {
      root: options.root,
      dockerfile: `${DIRECTORY}/Dockerfile`,
      files: FILES,
      arch: options.arch,
      tag: image,
      args: { TOOLS: options.tools },
      network: options.network,
      noCache: false,
    },
    run,
  );
  const partial = `${directory}.${process.pid}.partial`;
  try {
    await mkdir(partial, { recursive: true });
    await copyOut(docker, image, "/boot-kernel/out", partial);
    await rename(partial, directory);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return kernel;
}

/** Copies the files of one directory of an image, which hold no directories themselves. */
async function copyOut(docker: Docker, image: string, path: string, target: string): Promise<void> {
  const labels = { [OWNER_LABEL]: String(process.pid) };
  const container = await docker.createContainer({ Image: image, Cmd: ["true"], Labels: labels });
  try {
    const tar = (await container.getArchive({ path })) as Readable;
    const reader = tar.pipe(extract() as unknown as NodeJS.WritableStream) as unknown as ReturnType<
      typeof extract
    >;
    for await (const entry of reader) {
      const name = entry.header.name.split("/").at(-1)!;
      if (entry.header.type === "file") await pipeline(entry, createWriteStream(join(target, name)));
      else entry.resume();
    }
  } finally {
    await removeContainer(docker, container.id);
  }
}
