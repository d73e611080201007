import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Arch } from "../../schema/names.ts";
import type { Run } from "../../util/progress.ts";
import { spoolImage } from "../docker/spool-image.ts";
import { foreignPrebuilts } from "./binaries.ts";
import { type NormaliseOptions, normalise, order, type Rootfs } from "./normalise.ts";
import { indexTar, type TarIndex } from "./tar-index.ts";

/** Where the tar of a container's file system is written. */
export interface SpoolOptions {
  /** The directory for the temporary tar. */
  readonly directory: string;
  /** The name of the tool container's image. */
  readonly tools: string;
}

export interface RootfsOptions extends NormaliseOptions, SpoolOptions {
  readonly arch: Arch;
}

const SPOOL = "export.tar";

/** Exports and normalises the file system of a container image, and calls `use` with it. It is removed when `use` has ended. */
export async function withRootfs<T>(
  docker: Docker,
  image: string,
  options: RootfsOptions,
  run: Run,
  use: (rootfs: Rootfs) => Promise<T>,
): Promise<T> {
  run.progress.step("export the container's file system");
  return await spooled(docker, image, options, run, async (index, spool) => {
    const foreign = await foreignPrebuilts(index, spool, options.arch);
    const useful = new Map([...index].filter(([name]) => !foreign.has(name)));
    return await use(await normalise(useful, spool, options));
  });
}

/** The paths of a base's container image, in the order that the base's image has. */
export async function listPaths(
  docker: Docker,
  image: string,
  options: SpoolOptions,
  run: Run,
): Promise<string[]> {
  return await spooled(docker, image, options, run, async (index) =>
    order(index, []).map(({ path }) => path),
  );
}

/** Calls `use` with the tar of a container image's file system. */
async function spooled<T>(
  docker: Docker,
  image: string,
  { directory, tools }: SpoolOptions,
  run: Run,
  use: (index: TarIndex, spool: FileHandle) => Promise<T>,
): Promise<T> {
  const path = join(directory, SPOOL);
  try {
    await spoolImage(docker, image, { tools, directory, name: SPOOL }, run);
    await using spool = await open(path);
    return await use(await indexTar(spool, run.signal), spool);
  } finally {
    // The next steps need the disk space.
    await rm(path, { force: true });
  }
}
