import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract, type Header, pack } from "tar-stream";
import type { Arch } from "../../schema/names.ts";
import { PipelineError } from "../../util/error.ts";
import { SHA256 } from "../../util/hash.ts";
import { follow } from "./engine.ts";

/** The arch in the label of a container image; undefined if there is no such image. */
export async function archOf(docker: Docker, image: string): Promise<string | undefined> {
  return (await inspect(docker, image))?.Architecture;
}

/**
 * Makes an image of an arch from a tar of its file system.
 * @param environment the image's environment variables. @default none
 * @throws PipelineError if the Engine does not take the label
 */
export async function importImage(
  docker: Docker,
  tar: NodeJS.ReadableStream,
  image: string,
  arch: Arch,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [repo, tag] = image.split(":");
  const changes = Object.entries(environment).map(([name, value]) => `ENV ${name}=${value}`);
  const stream = await docker.importImage(tar, { repo, tag, platform: `linux/${arch}`, changes });
  await follow(docker, stream);
  await labelArch(docker, image, arch);
}

/**
 * Sets the arch in an image's label, if it is another. An Engine before version 23 labels each imported file system with
 * its own arch, whatever platform it is told. A newer Engine that loads such an image does not build on it, because of
 * its label.
 * @throws PipelineError if the Engine does not take the label
 */
async function labelArch(docker: Docker, image: string, arch: Arch): Promise<void> {
  const before = await inspect(docker, image);
  if (!before || before.Architecture === arch) return;
  const saved = (await docker.getImage(image).get()) as Readable;
  const relabelled = pack();
  const rewriting = rewrite(saved, relabelled, arch).catch((error: Error) => {
    // Otherwise the Engine waits forever for the rest.
    relabelled.destroy(error);
    throw error;
  });
  const loading = docker
    .loadImage(relabelled as unknown as NodeJS.ReadableStream)
    .then((stream) => follow(docker, stream));
  await Promise.all([rewriting, loading]);
  const after = await archOf(docker, image);
  if (after !== arch) {
    throw new PipelineError(
      `Docker labels ${image} ${after ?? "with no arch"}, but its programs are ${arch}`,
      {
        code: "docker-build-failed",
        fix: "use a newer Docker Engine (23 or newer), or build on a machine of that arch",
      },
    );
  }
  // Its layer is shared with the new image; only the old label goes.
  await docker
    .getImage(before.Id)
    .remove()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
    });
}

/** Copies a saved image, with `arch` in its configuration: the one JSON file at the top that lists its layers (`rootfs`). */
async function rewrite(saved: Readable, target: ReturnType<typeof pack>, arch: Arch): Promise<void> {
  const entries = saved.pipe(extract() as unknown as NodeJS.WritableStream) as unknown as ReturnType<
    typeof extract
  >;
  saved.on("error", (error) => entries.destroy(error));
  for await (const entry of entries) {
    const { name } = entry.header;
    if (name.endsWith(".json") && SHA256.test(name.slice(0, -".json".length))) {
      const config = JSON.parse(String(await buffer(entry as unknown as Readable)));
      const text = JSON.stringify({ ...config, architecture: arch });
      target.entry({ name, mode: 0o644 }, text);
    } else {
      await copy(entry as unknown as Readable, entry.header, target);
    }
  }
  target.finalize();
}

async function copy(entry: Readable, header: Header, target: ReturnType<typeof pack>): Promise<void> {
  if (header.type !== "file") {
    entry.resume();
    target.entry(header);
    return;
  }
  await pipeline(entry, target.entry(header) as unknown as NodeJS.WritableStream);
}

async function inspect(docker: Docker, image: string) {
  return await docker
    .getImage(image)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode === 404) return undefined;
      throw error;
    });
}
