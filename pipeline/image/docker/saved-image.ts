import { createReadStream, createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import type { Run } from "../../util/progress.ts";
import { writeWhole } from "../../util/whole-file.ts";
import { follow } from "./engine.ts";

/** Saves a container image as a tar file. `what` names the image in the progress title. */
export async function saveImage(
  docker: Docker,
  image: string,
  path: string,
  what: string,
  run: Run,
): Promise<void> {
  run.progress.step(`save ${what}`);
  await writeWhole(path, async (partial) => {
    await pipeline((await docker.getImage(image).get()) as Readable, createWriteStream(partial));
  });
}

/** Loads a saved container image. Returns false if there is no such file. */
export async function loadImage(docker: Docker, path: string, what: string, run: Run): Promise<boolean> {
  const file = createReadStream(path);
  const opened = await new Promise<boolean>((resolve) => {
    file.once("open", () => resolve(true));
    file.once("error", () => resolve(false));
  });
  if (!opened) return false;
  run.progress.step(`load ${what}`);
  await follow(docker, await docker.loadImage(file));
  return true;
}
