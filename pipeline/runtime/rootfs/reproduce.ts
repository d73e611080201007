import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x } from "tinyexec";
import { copyOut } from "../../image/docker/container-image.ts";
import { onPath } from "../../image/docker/engine.ts";
import { sha256Sparse } from "../../image/formats/sparse.ts";
import { differences, type Fingerprints, fingerprints } from "../../image/rootfs/fingerprint.ts";
import type { BaseCell, PresetCell } from "../../schema/cells.ts";
import type { Twice } from "../kinds/steps.ts";
import { inWorkDirectory, type Workshop } from "../workshop.ts";
import type { Layer } from "./build.ts";
import { IMAGE, makeRootfs } from "./image.ts";

interface Made {
  /** The name of the container image. */
  readonly image: string;
  readonly sha256: string;
  readonly paths: Fingerprints;
}

/** Makes a root file system twice. Each time, `layerOf` rebuilds its container image, and that of its base. */
export async function reproduceRootfs(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  layerOf: (anew: Workshop) => Promise<Layer>,
): Promise<Twice> {
  const anew = { ...workshop, options: { ...workshop.options, noCache: true } };
  const make = async () => await makeOnce(anew, cell, await layerOf(anew));
  const first = await make();
  // The second build gets the same name, so the first one needs another.
  const kept = `smolvm/repro:${process.pid}`;
  await workshop.docker.getImage(first.image).tag({ repo: "smolvm/repro", tag: String(process.pid) });
  try {
    const second = await make();
    const inside = differences(first.paths, second.paths);
    const twice: Twice = { files: { [IMAGE]: [first.sha256, second.sha256] }, differences: inside };
    const path = [...first.paths.keys()].find((each) => inside[0]?.startsWith(`${each}: `));
    if (path === undefined || !onPath("diffoscope")) return twice;
    return { ...twice, diffoscope: await diffoscope(workshop, path, kept, second.image) };
  } finally {
    await workshop.docker.getImage(kept).remove();
  }
}

const makeOnce = (workshop: Workshop, cell: BaseCell | PresetCell, layer: Layer): Promise<Made> =>
  inWorkDirectory(workshop, cell, async (directory) => {
    let paths: Fingerprints = new Map();
    const { image } = await makeRootfs(workshop, cell, layer, directory, async (rootfs) => {
      paths = await fingerprints(rootfs);
    });
    const sha256 = await sha256Sparse(image, workshop.run.signal);
    return { image: layer.image, paths, sha256 };
  });

async function diffoscope({ docker }: Workshop, path: string, ...images: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "smolvm-repro-"));
  try {
    const files: string[] = [];
    for (const [index, image] of images.entries()) {
      const into = await mkdtemp(join(directory, `${index + 1}-`));
      await copyOut(docker, image, `/${path}`, into);
      files.push(join(into, path.split("/").at(-1)!));
    }
    return (await x("diffoscope", ["--text", "-", ...files])).stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
