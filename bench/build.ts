/**
 * Measures how long an image takes from its container image, without compression, beside the conventional way: docker
 * export, mkfs.ext4, a loop mount, tar -x, umount. `tsx bench/build.ts`, or `tsx bench/build.ts 5` for five rounds; the ways
 * take turns, and the table has the medians. With `--write`, docs/measurements.md gets the table between its markers. The conventional way
 * needs root and loop devices; without them only ours is measured.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildNetwork, networkFromEnvironment } from "../pipeline/image/docker/network.ts";
import { sha256Sparse } from "../pipeline/image/formats/sparse.ts";
import { secretsOf } from "../pipeline/image/rootfs/secrets.ts";
import { handoverOf } from "../pipeline/runtime/kinds/index.ts";
import { readCells } from "../pipeline/runtime/read-cells.ts";
import { makeRootfs } from "../pipeline/runtime/rootfs/image.ts";
import { buildRecipe, inWorkDirectory, openWorkshop } from "../pipeline/runtime/workshop.ts";
import type { BaseCell, PresetCell } from "../pipeline/schema/cells.ts";
import { run } from "./shared/workshop.ts";

/** Seconds by step, and the peak memory of the Node process, MiB. */
export interface Measured {
  readonly steps: Readonly<Record<string, number>>;
  readonly peakMib?: number;
}

const WAYS = ["docker export to a file, mkfs, tar -x", "docker export to tar -x", "ours"] as const;
type Way = (typeof WAYS)[number];
/** What was measured of an image: each round of each way. */
export type Rounds = ReadonlyMap<Way, readonly Measured[]>;

/** The steps in the table's order. Those of one way are empty in the other. */
const STEPS = ["the container's files", "the ext4 image", "sha256 of the image"] as const;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;

/** The table of what was measured. @param images the rounds by the image's name */
export function table(images: ReadonlyMap<string, Rounds>): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rows = [...images].flatMap(([image, rounds]) => {
    const seconds = (way: Way, steps: readonly string[]) =>
      median(
        (rounds.get(way) ?? []).map((each) => steps.reduce((sum, step) => sum + (each.steps[step] ?? 0), 0)),
      );
    const cells = (steps: readonly string[]) =>
      WAYS.map((way) => (rounds.has(way) ? `${seconds(way, steps).toFixed(1)} s` : "not measured"));
    const peaks = rounds.get("ours")!.map(({ peakMib = Number.NaN }) => peakMib);
    const ratios = WAYS.map((way) => {
      const ratio = seconds("ours", STEPS) / seconds(way, STEPS);
      return way === "ours" || Number.isNaN(ratio) ? "" : ratio.toFixed(2);
    });
    return [
      ...STEPS.map((step) => line([`${image}: ${step}`, ...cells([step])])),
      line([`${image}: all`, ...cells(STEPS)]),
      line([`${image}: ours, of that`, ...ratios]),
      line([`${image}: peak memory of Node`, "", "", `${Math.max(...peaks)} MiB`]),
    ];
  });
  return [line(["", ...WAYS]), `|---|${"---:|".repeat(WAYS.length)}`, ...rows, ""].join("\n");
}

const [BEGIN, END] = ["<!-- bench build -->\n", "<!-- end of bench build -->"];

/** A text with this table between its markers. @throws Error if it has no markers */
export function withTable(text: string, measured: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`docs/measurements.md has no lines "${BEGIN.trim()}" and "${END}"`);
  return `${text.slice(0, begin + BEGIN.length)}${measured}${text.slice(end)}`;
}

async function open() {
  const root = process.cwd();
  const cells = readCells(root);
  const network = buildNetwork(networkFromEnvironment(process.env, {}), process.env);
  const options = { root, network, level: 1, noCache: false, secrets: secretsOf(network, process.env) };
  return await openWorkshop(cells, [], options, run);
}

type Workshop = Awaited<ReturnType<typeof open>>;

/** The cells that are measured: a small image and a large one. */
function cellsOf({ cells, arch }: Workshop): [BaseCell, PresetCell] {
  const find = (id: string) => cells.cells.find((cell) => cell.id === id);
  return [find(`base-${arch}-debian`) as BaseCell, find(`codex-${arch}-debian`) as PresetCell];
}

/** Times steps that are named one after the other. */
function stopwatch() {
  const steps: Record<string, number> = {};
  let [name, since] = ["", performance.now()];
  const next = (step: string) => {
    const now = performance.now();
    if (name !== "") steps[name] = (steps[name] ?? 0) + (now - since) / 1000;
    [name, since] = [step, now];
  };
  return { steps, next };
}

/** Makes an image in this process, and says how long each step took. */
async function ours(id: string, image: string, order: readonly string[]): Promise<Measured> {
  const workshop = await open();
  const cell = cellsOf(workshop).find((each) => each.id === id)!;
  return await inWorkDirectory(workshop, cell, async (directory) => {
    const { steps, next } = stopwatch();
    const titles = new Map<string, string>([
      ["export the container's file system", STEPS[0]],
      ["make the ext4 image", STEPS[1]],
    ]);
    const progress = { ...run.progress, step: (title: string) => next(titles.get(title) ?? title) };
    const made = await makeRootfs(
      { ...workshop, run: { ...run, progress } },
      cell,
      { image, order },
      directory,
    );
    next(STEPS[2]);
    await sha256Sparse(made.image, run.signal);
    next("");
    return { steps, peakMib: Math.ceil(process.resourceUsage().maxRSS / 1024) };
  });
}

/** `ours` in a process of its own, so that its memory is that of one image. */
function oursApart(...args: [id: string, image: string, order: string]): Measured {
  const child = [...process.execArgv, fileURLToPath(import.meta.url), "--ours", ...args];
  return JSON.parse(
    execFileSync(process.execPath, child, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
  );
}

const sh = (script: string, ...args: string[]): string =>
  execFileSync("sh", ["-euc", script, "sh", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });

function conventional(image: string, sizeMib: number, directory: string, piped: boolean): Measured {
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(join(directory, "bench-"));
  const [tar, disk, mount] = ["tar", "ext4", "mount"].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  const { steps, next } = stopwatch();
  next(STEPS[0]);
  const container = sh('docker create "$1" /init', image).trim();
  try {
    if (!piped) {
      sh('docker export "$1" -o "$2"', container, tar);
    }
    next(STEPS[1]);
    writeFileSync(disk, "");
    truncateSync(disk, sizeMib * 2 ** 20);
    sh('mkfs.ext4 -q -F "$1" && mkdir "$2" && mount -o loop "$1" "$2"', disk, mount);
    try {
      if (piped) sh('docker export "$1" | tar -x -C "$2"', container, mount);
      else sh('tar -x -f "$1" -C "$2"', tar, mount);
    } finally {
      sh('umount "$1"', mount);
    }
    next(STEPS[2]);
    sh('sha256sum "$1"', disk);
    next("");
    return { steps };
  } finally {
    sh('docker rm "$1" > /dev/null', container);
    rmSync(work, { recursive: true });
  }
}

/** Why the conventional way cannot be measured here; undefined if it can. */
function whyNotConventional(): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  if (spawnSync("docker", ["--version"]).status !== 0) return "there is no `docker` command";
  return undefined;
}

async function measure(count: number): Promise<Map<string, Rounds>> {
  const workshop = await open();
  const [base, preset] = cellsOf(workshop);
  const { image: baseImage, paths } = await handoverOf(workshop).ensure(base);
  const presetImage = `smolvm/${preset.id}:${preset.inputs.slice(0, 12)}`;
  await buildRecipe(workshop, preset, presetImage, { BASE: baseImage });
  const why = whyNotConventional();
  if (why !== undefined) run.progress.warn(`the conventional way is not measured: ${why}`);
  const images = new Map<string, Rounds>();
  const directory = join(workshop.options.root, "out", "images");
  const orders = mkdtempSync(join(workshop.cache, "bench-"));
  try {
    for (const [name, cell, image, order] of [
      ["base", base, baseImage, []],
      ["codex", preset, presetImage, paths],
    ] as const) {
      const orderFile = join(orders, name);
      writeFileSync(orderFile, JSON.stringify(order));
      const all = new Map<Way, Measured[]>();
      const keep = (way: Way, measured: Measured) => all.set(way, [...(all.get(way) ?? []), measured]);
      for (let round = 1; round <= count; round++) {
        run.progress.step(`${name}, round ${round}`);
        keep("ours", oursApart(cell.id, image, orderFile));
        if (why !== undefined) continue;
        keep(WAYS[0], conventional(image, cell.disk_mib, directory, false));
        keep(WAYS[1], conventional(image, cell.disk_mib, directory, true));
      }
      images.set(name, all);
    }
  } finally {
    rmSync(orders, { recursive: true });
  }
  return images;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const args = process.argv.slice(2);
  if (args[0] === "--ours") {
    const [, id = "", image = "", order = ""] = args;
    process.stdout.write(JSON.stringify(await ours(id, image, JSON.parse(readFileSync(order, "utf8")))));
  } else {
    const page = new URL("../docs/measurements.md", import.meta.url);
    const write = args.includes("--write");
    // Before the minutes that it takes.
    if (write) withTable(readFileSync(page, "utf8"), "");
    const measured = table(await measure(Number(args.find((each) => /^\d+$/.test(each)) ?? 3)));
    if (write) writeFileSync(page, withTable(readFileSync(page, "utf8"), measured));
    process.stdout.write(measured);
  }
}
