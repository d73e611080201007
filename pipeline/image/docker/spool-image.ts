import { open } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";
import { exportImage } from "./container-image.ts";
import { OWNER_LABEL, removeContainer } from "./engine.ts";
import { runTool } from "./tool.ts";

export interface SpoolOptions {
  /** The name of the tool container's image. */
  readonly tools: string;
  /** The directory in which the tar is written. */
  readonly directory: string;
  /** The tar's file name. */
  readonly name: string;
}

/** Linux takes at most a page of mount options. */
const LONGEST_OPTION = 4000;

/**
 * Writes the file system of a container image as a tar. With Docker's usual storage, tar reads the image's layers, which the
 * kernel mounts over each other; that takes a fifth of the time and CPU of `docker export`, which is the other way.
 */
export async function spoolImage(
  docker: Docker,
  image: string,
  { tools, directory, name }: SpoolOptions,
  run: Run,
): Promise<void> {
  const path = join(directory, name);
  // Made here, so that it belongs to this user.
  const file = await open(path, "w");
  try {
    // The container is not started. Docker gives it a layer with the files that `docker export` has in addition to the image's.
    const container = await docker.createContainer({
      Image: image,
      Cmd: ["/init"],
      NetworkDisabled: true,
      Labels: { [OWNER_LABEL]: String(process.pid) },
    });
    try {
      const layers = await layersOf(container);
      if (layers && (await tarLayers(docker, layers, { tools, directory, name }, run))) return;
    } finally {
      await removeContainer(docker, container.id);
    }
    await file.truncate();
    await pipeline(await exportImage(docker, image, run), file.createWriteStream(), { signal: run.signal });
  } finally {
    await file.close();
  }
}

/** The directories of a container's file system, the first on top; undefined if it has none that can be mounted. */
async function layersOf(container: Docker.Container): Promise<string[] | undefined> {
  const { GraphDriver } = await container.inspect();
  const lower = (GraphDriver?.Data as Record<string, string> | undefined)?.LowerDir;
  if (GraphDriver?.Name !== "overlay2" || lower === undefined) return undefined;
  return lower.length < LONGEST_OPTION ? lower.split(":") : undefined;
}

/** Returns whether Docker could mount the layers. */
async function tarLayers(
  docker: Docker,
  layers: readonly string[],
  { tools, directory, name }: SpoolOptions,
  run: Run,
): Promise<boolean> {
  // Times in full seconds, owners as numbers, and the one attribute that an image keeps: what `docker export` writes.
  const tar =
    "exec tar -C /rootfs --sort=name --numeric-owner --format=pax " +
    "--pax-option=delete=atime,delete=ctime,delete=mtime --xattrs --xattrs-include=security.capability " +
    `-cf - . > /work/${name}`;
  const result = await runTool(
    docker,
    { image: tools, command: ["sh", "-c", tar], work: directory, layers },
    run,
  ).catch((error: { statusCode?: number }) => {
    // Docker could not mount them: it runs inside a container, or as another user.
    if (error.statusCode === 500) return undefined;
    throw error;
  });
  if (result && result.exitCode !== 0) {
    throw new PipelineError(
      `tar could not read the container's file system: ${result.output.trim().split("\n").at(-1)}`,
    );
  }
  return result !== undefined;
}
