import { createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import type { z } from "zod";
import { Audit, type Finding } from "../build/audit.ts";
import { compress } from "../build/compress.ts";
import { makeExt4 } from "../build/ext4.ts";
import { buildImage, exportImage } from "../build/image.ts";
import { normalise, type Rootfs, toTar } from "../build/normalise.ts";
import { listPackages } from "../build/packages.ts";
import { indexTar, type TarIndex } from "../build/tar-index.ts";
import type { BaseCell, PresetCell } from "../schema/cells.ts";
import { errorCode, PipelineError } from "../schema/error.ts";
import { Facts } from "../schema/facts.ts";
import { type Base, ensureBase } from "./base.ts";
import { baseOf } from "./cells.ts";
import { cellDirectory, inputsWith, inWorkDirectory, overridesOf, type Workshop } from "./workshop.ts";

/** What the build stage leaves for the verify stage, in `out/images/<id>/build.json`. */
export const BuildFacts = Facts.omit({ boot: true });
export type BuildFacts = z.infer<typeof BuildFacts>;

export const IMAGE = "rootfs.ext4";
export const BUILD_FACTS = "build.json";

/** Findings shown when an audit refuses a cell. */
const SHOWN_FINDINGS = 20;

/** docker build -> tar -> ext4 -> zst, into `out/images/<id>/`. @throws PipelineError */
export async function buildStage(workshop: Workshop, cell: BaseCell | PresetCell): Promise<BuildFacts> {
  const base = await ensureBase(workshop, cell.kind === "base" ? cell : baseOf(workshop.cells, cell));
  const image = cell.kind === "base" ? base.image : await buildPreset(workshop, cell, base);
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const facts = await pack(workshop, cell, base, image, directory);
    await writeFile(join(directory, BUILD_FACTS), JSON.stringify(facts));
    const target = cellDirectory(workshop, cell);
    await rm(target, { recursive: true, force: true });
    await mkdir(target, { recursive: true });
    for (const name of [IMAGE, `${IMAGE}.zst`, BUILD_FACTS])
      await rename(join(directory, name), join(target, name));
    return facts;
  });
}

/** What an earlier build stage left. @throws PipelineError when there is nothing, or something else */
export async function readBuildFacts(workshop: Workshop, cell: BaseCell | PresetCell): Promise<BuildFacts> {
  const path = join(cellDirectory(workshop, cell), BUILD_FACTS);
  try {
    return BuildFacts.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw cause;
    throw new PipelineError(
      `${cell.id} is not built: run \`npm run cell -- ${cell.id} --stage build\` first`,
      { cause },
    );
  }
}

async function buildPreset(workshop: Workshop, cell: PresetCell, base: Base): Promise<string> {
  const { docker, options, run, tools } = workshop;
  const image = `smolvm/${cell.id}:${cell.inputs.slice(0, 12)}`;
  run.progress.step(`docker build ${cell.dockerfile}`);
  await buildImage(
    docker,
    {
      root: options.root,
      dockerfile: cell.dockerfile,
      files: cell.files,
      arch: cell.arch,
      tag: image,
      args: { BASE: base.image, TOOLS: tools },
      network: options.network,
      noCache: options.noCache,
    },
    run,
  );
  return image;
}

async function pack(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  base: Base,
  image: string,
  directory: string,
): Promise<BuildFacts> {
  const { docker, options, run, tools, epoch } = workshop;
  run.progress.step("export the container's file system");
  const spoolPath = join(directory, "export.tar");
  const index = await spool(await exportImage(docker, image, run), spoolPath, run.signal);

  const spoolFile = await open(spoolPath);
  try {
    const baseOrder = cell.kind === "base" ? [] : base.paths;
    const rootfs = await normalise(index, spoolFile, { baseOrder, epoch });
    const packages = await listPackages(rootfs);
    await makeImage(workshop, cell, rootfs, directory);
    // The spool has served; what follows needs the space.
    await rm(spoolPath);

    run.progress.step(`compress (zstd -${options.level} --long=27)`);
    const result = await compress(docker, join(directory, IMAGE), { tools, level: options.level }, run);
    const overrides = [
      ...overridesOf(workshop.cells, options),
      ...(base.fallback ? [`source=${base.source}`] : []),
    ];
    return {
      schema_version: 1,
      id: cell.id,
      kind: cell.kind,
      arch: cell.arch,
      flavor: cell.flavor,
      preset: cell.kind === "preset" ? cell.preset : null,
      asset: cell.assets[0]!,
      sha256: result.sha256,
      size: result.size,
      image_sha256: result.imageSha256,
      image_size: result.imageSize,
      inputs: inputsWith(cell, overrides),
      overrides,
      source: base.source,
      zstd_level: options.level,
      packages,
    };
  } finally {
    await spoolFile.close();
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

/** tar -> ext4, with the audit looking at every byte on its way. */
async function makeImage(
  workshop: Workshop,
  cell: BaseCell | PresetCell,
  rootfs: Rootfs,
  directory: string,
): Promise<void> {
  const { docker, options, run, tools, epoch } = workshop;
  run.progress.step("make the ext4 image");
  const audit = new Audit(options.secrets);
  const total = rootfs.entries.reduce((sum, entry) => sum + rootfs.sizeOf(entry), 0);
  let done = 0;
  const tar = toTar(rootfs, (entry, chunk) => {
    audit.chunk(entry, chunk);
    done += chunk.length;
    run.progress.bytes(done, total);
  });
  await makeExt4(
    docker,
    tar,
    {
      directory,
      name: IMAGE,
      sizeMib: cell.disk_mib,
      epoch,
      tools,
      contentBytes: total,
      sizeKnob: `diskMib of the ${cell.flavor} base in pipeline/images.ts`,
    },
    run,
  );
  const findings = await audit.findings(rootfs);
  if (findings.length > 0) throw refused(cell.id, findings);
}

function refused(id: string, findings: readonly Finding[]): PipelineError {
  const shown = findings.slice(0, SHOWN_FINDINGS).map(({ path, what }) => `- ${path} ${what}`);
  const more = findings.length - shown.length;
  return new PipelineError(`the audit refuses ${id}: ${findings.length} findings in its root file system`, {
    details: [...shown, ...(more > 0 ? [`- and ${more} more`] : [])],
  });
}
