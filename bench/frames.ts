/**
 * Measures what frames cost and save, and prints tables for docs/frames.md, which `--write` updates:
 * `npm run bench -- frames [--level 19] [--write] [codex pi …]`. For each preset on Debian it makes the images that its users get one
 * after another (the next agent, packages of another day, another `/init`), and counts the bytes of the frames that they
 * do not have. The files that change keep their bytes, in another order and with a few more, so that they compress as well.
 * At level 19 it takes about 25 minutes on two cores.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runTool } from "../pipeline/image/docker/tool.ts";
import { makeExt4 } from "../pipeline/image/formats/ext4.ts";
import type { SparseFile } from "../pipeline/image/formats/sparse.ts";
import { packFrames } from "../pipeline/image/formats/zstd.ts";
import { BLOCK } from "../pipeline/image/frames/blocks.ts";
import { FileTree } from "../pipeline/image/rootfs/file-tree.ts";
import { type Rootfs, toTar } from "../pipeline/image/rootfs/normalise.ts";
import { dpkgOwners } from "../pipeline/image/rootfs/ownership/dpkg.ts";
import { withRootfs } from "../pipeline/image/rootfs/rootfs.ts";
import type { Entry } from "../pipeline/image/rootfs/tar-index.ts";
import { handoverOf } from "../pipeline/runtime/kinds/index.ts";
import { landmarksOf } from "../pipeline/runtime/rootfs/frames.ts";
import { buildRecipe } from "../pipeline/runtime/workshop.ts";
import { DEFAULT_LEVEL, ZSTD_WINDOW_LOG } from "../pipeline/schema/defaults.ts";
import { MAX_FRAME_IMAGE_SIZE } from "../pipeline/schema/frames.ts";
import { ofKind } from "../pipeline/schema/kinds/index.ts";
import { openBench, run } from "./shared/workshop.ts";

const MIB = 1 << 20;
/** Packages of which a newer version comes between two releases. */
const UPDATED = new Set(
  ["openssl", "libssl3t64", "curl", "libcurl4t64", "git", "openssh-client", "openssh-server"].concat(
    ...["libexpat1", "tzdata", "ca-certificates", "libc6", "libc-bin"],
  ),
);

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    level: { type: "string", default: String(DEFAULT_LEVEL) },
    limits: { type: "string", default: "" },
    write: { type: "boolean", default: false },
  },
});
const level = Number(flags.level);
const presets = positionals.length > 0 ? positionals : ["codex", "pi"];
const { root, cells, workshop } = await openBench({ level });
const { docker, tools, epoch, cache, arch } = workshop;
const work = join(cache, "bench-frames");
const store = join(work, "frames");
await rm(work, { recursive: true, force: true });
await mkdir(work, { recursive: true });

/** Frames of an image: their sizes on the wire, bytes, by the digests of their contents. */
type Frames = ReadonlyMap<string, number>;
interface Packed {
  readonly frames: Frames;
  readonly seconds: number;
}

const base = ofKind(cells.cells, "base").find(({ id }) => id === `base-${arch}-debian`)!;
const made = await handoverOf(workshop).ensure(base);
const chosen = presets.map((name) => {
  const cell = ofKind(cells.cells, "preset").find(({ id }) => id === `${name}-${arch}-debian`);
  if (!cell) throw new Error(`there is no preset ${name} on debian`);
  return { name, cell };
});

const plain = (rootfs: Rootfs) => rootfs;
const ofBase = await packed("the base", made.image, [], plain);
const rows: string[] = [];
const shares: string[] = [];
const limits: string[] = [];
const known: Frames[] = [];
for (const { name, cell } of chosen) {
  const image = `smolvm/${cell.id}:${cell.inputs.slice(0, 12)}`;
  await buildRecipe(workshop, cell, image, { BASE: made.image });
  const own = new Set(made.paths);
  const isAgent = (path: string) => !own.has(path);
  const single = await inOneStream(name, image);
  const asset = await packed(name, image, made.paths, plain);
  const full = sum(asset.frames);
  rows.push(
    row(name, mb(single.size), mb(full), ratio(full, single.size), `${single.seconds.toFixed(0)} s`, [
      `${asset.seconds.toFixed(0)} s`,
      ratio(asset.seconds, single.seconds),
    ]),
  );
  const again = await packed(`${name} again`, image, made.paths, plain);
  rows.push(row(`${name}, nothing changed`, "", "", "", "", [`${again.seconds.toFixed(1)} s`, ""]));
  const share = (what: string, of: Frames, ...has: Frames[]) => {
    const fetched = sum(new Map([...of].filter(([digest]) => !has.some((each) => each.has(digest)))));
    shares.push(row(name, what, mb(fetched), mb(sum(of)), ratio(fetched, sum(of)), []));
  };
  share("the base", asset.frames, ofBase.frames);
  for (const [index, other] of known.entries())
    share(`${chosen[index]!.name}, of the same release`, asset.frames, other);
  known.push(asset.frames);
  const changes: [string, (rootfs: Rootfs) => Rootfs | Promise<Rootfs>][] = [
    ["its last release, when the agent changed", (rootfs) => changed(rootfs, isAgent)],
    ["its last release, when only `/init` changed", (rootfs) => changed(rootfs, (path) => path === "init")],
    ["its last release, when packages of the base changed", updated],
  ];
  for (const [what, change] of changes) {
    const { frames } = await packed(`${name}: ${what}`, image, made.paths, change);
    share(what, frames, asset.frames);
  }
  for (const most of flags.limits.split(",").filter((each) => each !== "")) {
    const blocks = (Number(most) * MIB) / BLOCK;
    const other = await packed(`${name} in frames of ${most} MiB`, image, made.paths, plain, blocks);
    const [size, changedSize] = [
      sum(other.frames),
      sum((await packed(`${name} changed`, image, made.paths, updated, blocks)).frames, other.frames),
    ];
    limits.push(
      row(name, `${most} MiB`, mb(size), ratio(size, single.size), ratio(changedSize, size), [
        `${other.seconds.toFixed(0)} s`,
      ]),
    );
  }
}
const tables = [
  table("image | one stream, MB | frames, MB | ratio | one stream | frames, the base's known | ratio", rows),
  table("image | what the cache has | fetched, MB | of, MB | share", shares),
  ...(limits.length > 0
    ? [table("image | largest frame | MB | of one stream | packages changed: share fetched | time", limits)]
    : []),
];
process.stdout.write(tables.join("\n"));
if (flags.write) {
  const page = join(root, "docs/frames.md");
  const [before, after] = [/^[\s\S]*<!-- measured -->\n/, /<!-- \/measured -->[\s\S]*$/].map((part) => part);
  const text = await readFile(page, "utf8");
  await writeFile(page, `${before!.exec(text)![0]}${tables.join("\n")}${after!.exec(text)![0]}`);
}
await rm(work, { recursive: true, force: true });

/** Makes an image, and packs those of its frames that the store does not have. */
async function packed(
  title: string,
  image: string,
  order: readonly string[],
  change: (rootfs: Rootfs) => Rootfs | Promise<Rootfs>,
  most?: number,
): Promise<Packed> {
  return await withImage(image, order, change, async (sparse, rootfs) => {
    const started = performance.now();
    run.progress.step(`${title}: compress`);
    const limits = most === undefined ? {} : { limits: { most, large: MAX_FRAME_IMAGE_SIZE / BLOCK } };
    const landmarks = landmarksOf(rootfs, order);
    const { frames } = await packFrames(docker, sparse, { tools, level, store, landmarks, ...limits }, run);
    const seconds = (performance.now() - started) / 1000;
    const sizes = new Map<string, number>();
    for (const { sha256, path } of frames) sizes.set(sha256, (await stat(path)).size);
    return { frames: sizes, seconds };
  });
}

/** Compresses an image as one frame. */
async function inOneStream(name: string, image: string): Promise<{ size: number; seconds: number }> {
  return await withImage(image, made.paths, plain, async ({ path }) => {
    run.progress.step(`${name}: compress in one stream`);
    const started = performance.now();
    const command = `exec zstd -q -${level} --long=${ZSTD_WINDOW_LOG} -T0 -f -o /work/one.zst /work/image`;
    const result = await runTool(
      docker,
      { image: tools, command: ["sh", "-c", command], work, onOutput() {} },
      run,
    );
    if (result.exitCode !== 0) throw new Error(`zstd failed for ${path}: ${result.output}`);
    return {
      size: (await stat(join(work, "one.zst"))).size,
      seconds: (performance.now() - started) / 1000,
    };
  });
}

async function withImage<T>(
  image: string,
  order: readonly string[],
  change: (rootfs: Rootfs) => Rootfs | Promise<Rootfs>,
  use: (sparse: SparseFile, rootfs: Rootfs) => Promise<T>,
): Promise<T> {
  const settings = { arch, directory: work, tools, baseOrder: order, epoch };
  const [sparse, rootfs] = await withRootfs(docker, image, settings, run, async (rootfs) => {
    const wanted = await change(rootfs);
    const ext4 = { directory: work, name: "image", sizeMib: base.disk_mib, epoch, tools };
    const sparse = await makeExt4(
      docker,
      toTar(wanted),
      { ...ext4, contentBytes: 0, sizeKnob: "diskMib" },
      run,
    );
    return [sparse, wanted] as const;
  });
  return await use(sparse, rootfs);
}

/** A root file system in which packages of the base have newer versions. */
async function updated(rootfs: Rootfs): Promise<Rootfs> {
  const ownerOf = await dpkgOwners(rootfs, new FileTree(rootfs.entries));
  return changed(rootfs, (_, entry) => UPDATED.has(ownerOf(entry)?.name ?? ""));
}

/** A root file system in which these files have other bytes: turned by some, and a few more. */
function changed(rootfs: Rootfs, which: (path: string, entry: Entry) => boolean): Rootfs {
  const TURN = 1001;
  const isChanged = (entry: Entry) =>
    entry.type === "file" && rootfs.sizeOf(entry) > 0 && which(entry.path, entry);
  return {
    ...rootfs,
    sizeOf: (entry) => rootfs.sizeOf(entry) + (isChanged(entry) ? TURN : 0),
    async *chunks(entry) {
      if (!isChanged(entry)) {
        yield* rootfs.chunks(entry);
        return;
      }
      yield Buffer.alloc(TURN, "another version ");
      yield* rootfs.chunks(entry);
    },
  };
}

function sum(frames: Frames, without: Frames = new Map()): number {
  return [...frames].reduce((total, [digest, size]) => total + (without.has(digest) ? 0 : size), 0);
}
function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
function ratio(part: number, whole: number): string {
  return (part / whole).toFixed(3);
}
function row(one: string, two: string, three: string, four: string, five: string, more: string[]): string {
  const line = `| ${[one, two, three, four, five, ...more].join(" | ")} |`;
  process.stderr.write(`${line}\n`);
  return line;
}
function table(head: string, lines: readonly string[]): string {
  return `| ${head} |\n|${"---|".repeat(head.split("|").length)}\n${lines.join("\n")}\n`;
}
