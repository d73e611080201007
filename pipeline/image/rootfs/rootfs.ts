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
  /** The directory for the temporary tar of the container's file system. */
  readonly directory: string;
}

/** Exports and normalises the file system of a container image, and calls `use` with it. It is removed when `use` has ended. */
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
    // The next steps need the disk space.
    await file.close();
    await rm(path);
  }
}

/** Writes the exported tar to disk, and indexes it at the same time. */
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

/** The paths of a base's container image, in the order that the base's image has. */
export async function listPaths(docker: Docker, image: string, run: Run): Promise<string[]> {
  const index = await indexTar(await exportImage(docker, image, run), run.signal);
  return order(index, []).map(({ path }) => path);
}
