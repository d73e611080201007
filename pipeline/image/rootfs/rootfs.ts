import { createWriteStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import type Docker from "dockerode";
import type { Arch } from "../../schema/names.ts";
import type { Run } from "../../util/progress.ts";
import { exportImage } from "../docker/container-image.ts";
import { foreignPrebuilts } from "./binaries.ts";
import { type NormaliseOptions, normalise, order, type Rootfs } from "./normalise.ts";
import { indexTar, type TarIndex } from "./tar-index.ts";

export interface RootfsOptions extends NormaliseOptions {
  readonly arch: Arch;
  /** Where the container's file system is spooled meanwhile. */
  readonly directory: string;
}

/** A container image's file system as images have it: ordered, scrubbed and dated, for as long as `use` takes. */
export async function withRootfs<T>(
  docker: Docker,
  image: string,
  options: RootfsOptions,
  run: Run,
  use: (rootfs: Rootfs) => Promise<T>,
): Promise<T> {
  run.progress.step("export the container's file system");
  const path = join(options.directory, "export.tar");
  const index = await spool(await exportImage(docker, image, run), path, run.signal);
  const file = await open(path);
  try {
    const foreign = await foreignPrebuilts(index, file, options.arch);
    const useful = new Map([...index].filter(([name]) => !foreign.has(name)));
    return await use(await normalise(useful, file, options));
  } finally {
    // The spool has served; what follows needs the space.
    await file.close();
    await rm(path);
  }
}

/** Writes the exported tar to disk, once, and lists what is in it on the way. */
async function spool(tar: Readable, path: string, signal: AbortSignal): Promise<TarIndex> {
  const file = createWriteStream(path);
  const tee = new Transform({
    transform(chunk: Buffer, _, next) {
      if (file.write(chunk)) next(null, chunk);
      else file.once("drain", () => next(null, chunk));
    },
    flush: (next) => void file.end(next),
  });
  file.once("error", (error) => tee.destroy(error));
  tar.once("error", (error) => tee.destroy(error));
  try {
    return await indexTar(tar.pipe(tee), signal);
  } finally {
    tar.destroy();
    file.destroy();
  }
}

/** The paths of a container image, in the order in which an image has them that is made of it alone. */
export async function listPaths(docker: Docker, image: string, run: Run): Promise<string[]> {
  const index = await indexTar(await exportImage(docker, image, run), run.signal);
  return order(index, []).map(({ path }) => path);
}
