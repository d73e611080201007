/**
 * Computes what a plan saves, as a Markdown table: `npm run bench -- plan`. With `--write`, docs/measurements.md gets it; with `--check`, the
 * exit code is 1 if that page has another. Each row is a change to this project's tree, made in
 * memory, and planned against a release of the tree as it is. Times and sizes are those that the page says were measured;
 * a root file system counts as the one that was measured there, codex on Debian.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { App } from "../pipeline/constructs/app.ts";
import { Release } from "../pipeline/constructs/release.ts";
import { declareImages } from "../pipeline/images.ts";
import { plan } from "../pipeline/plan/plan.ts";
import type { Cell, Cells } from "../pipeline/schema/cells.ts";
import { idsBelow } from "../pipeline/schema/kinds/index.ts";
import { type RecordedAsset, RecordedDigests } from "../pipeline/schema/recorded-digests.ts";
import { renderCells } from "../pipeline/synth/cells.ts";
import { filesIn } from "../pipeline/synth/project.ts";
import { PACKAGE } from "../pipeline/util/package.ts";
import { unique } from "../pipeline/util/unique.ts";

/** A change of the tree: another text of files, or another declaration. */
interface Change {
  readonly name: string;
  readonly file?: (path: string, text: string) => string;
  readonly declaration?: (release: Release) => void;
  /** Build everything, whatever changed. @default false */
  readonly all?: boolean;
}

const LATER = "20991231T000000Z";

const CHANGES: readonly Change[] = [
  { name: "everything rebuilt (`--all`)", all: true },
  {
    name: "one preset bumped (codex)",
    file: (path, text) =>
      path === "dockerfiles/codex/package-lock.json" ? withNewer(text, "node_modules/@openai/codex") : text,
  },
  {
    name: "the apt snapshot moved",
    file: (path, text) =>
      path === "dockerfiles/tools/Dockerfile"
        ? text.replace(/apt_update \S+;/, `apt_update ${LATER};`)
        : text,
    declaration: ({ bases, kernels }) => {
      const flavors = [...bases.map(({ flavor }) => flavor), ...kernels.map(({ buildOn }) => buildOn)];
      for (const flavor of flavors) if (flavor.snapshot) Object.assign(flavor, { snapshot: LATER });
    },
  },
  { name: "`/init` changed", file: (path, text) => (path === "init/init" ? `${text}\n` : text) },
  {
    name: "a kernel fragment changed",
    file: (path, text) => (path === "dockerfiles/kernel/common.config" ? `${text}\n` : text),
  },
  { name: "only the tag changed" },
];

/** A lockfile with a newer version of one package. */
function withNewer(text: string, location: string): string {
  const lock = JSON.parse(text);
  lock.packages[location].version = "99.0.0";
  return JSON.stringify(lock, null, 2);
}

/** The cells of this project's tree after a change, for a tag. */
function cellsAfter(tag: string, { file = (_, text) => text, declaration }: Partial<Change> = {}): Cells {
  const committed = filesIn(PACKAGE);
  const app = new App({
    files: (path) => {
      const text = committed(path);
      return text === undefined ? undefined : file(path, text);
    },
  });
  declareImages(app);
  const release = app.node.findAll().find((construct) => construct instanceof Release)!;
  declaration?.(release);
  return { $comment: "", ...renderCells(release).cells, tag };
}

/** What a release of these cells records. Only the inputs matter to a plan; there are no bytes. */
function released({ tag, cells }: Cells): RecordedDigests {
  const assets = cells.flatMap(({ assets: names, inputs, made_from }) =>
    names.map((name): [string, RecordedAsset] => {
      const bytes = { sha256: inputs, size: 1 };
      const image = { image_sha256: inputs, image_size: 1 };
      const sbom = { asset: name, ...bytes };
      return [name, { ...bytes, ...image, sbom, proven: ["qemu-pci", "qemu-mmio"], inputs, made_from }];
    }),
  );
  return RecordedDigests.parse({ schema_version: 2, tag, assets: Object.fromEntries(assets) });
}

/** What was measured, from the page: seconds and MB of a root file system, a base's container image, and kernels. */
function measuredIn(page: string) {
  const numbers = (label: string): number[] => {
    const row = page.split("\n").find((line) => line.startsWith(`| ${label}`));
    if (row === undefined) throw new Error(`docs/measurements.md has no measurement "${label}"`);
    return [...row.split("|")[2]!.matchAll(/[\d.]+(?= (?:s|MB)\b)/g)].map(([number]) => Number(number));
  };
  const [staged = Number.NaN] = numbers("from the base's container to a staged asset");
  const [slow = Number.NaN, quick = Number.NaN] = numbers("compressing at level 19");
  const [wire = Number.NaN] = numbers("asset at the release's level");
  const [container = Number.NaN] = numbers("building the container image of a base");
  const [amd64 = Number.NaN, arm64 = Number.NaN] = numbers("compiling the kernel");
  const [elf = 0, bzImage = 0, elfArm = 0, imageArm = 0] = numbers("kernel: ELF, bzImage");
  return {
    rootfs: { seconds: staged - quick + slow, mb: wire },
    container: { seconds: container },
    kernel: {
      amd64: { seconds: amd64, mb: elf + bzImage },
      arm64: { seconds: arm64, mb: elfArm + imageArm },
    },
  };
}

/** The table of what a plan saves. @param readme the text with the measurements */
export async function savings(page: string): Promise<string> {
  const measured = measuredIn(page);
  const last = { state: "recorded", digests: released(cellsAfter("images-v1")) } as const;
  const rows = [];
  for (const change of CHANGES) {
    const cells = cellsAfter("images-v2", change);
    const planned = await plan(cells, { facts: async () => undefined }, { last, all: change.all });
    const published = cells.cells.filter((cell) => cell.published);
    const those = (action: string) =>
      published.filter(({ id }) => planned.some((each) => each.id === id && each.action === action));
    const built = those("build");
    const costOf = (cell: Cell) => (cell.kind === "kernel" ? measured.kernel[cell.arch] : measured.rootfs);
    const sum = (of: readonly { seconds?: number; mb?: number }[], what: "seconds" | "mb") =>
      of.reduce((total, each) => total + (each[what] ?? 0), 0);
    // A preset needs the container image of its base, also if the base itself is carried over.
    const containers = unique(
      built.flatMap((cell) => (cell.kind === "base" ? [cell.id] : (idsBelow(cell).base ?? []))),
    );
    const costs = [...built.map(costOf), ...containers.map(() => measured.container)];
    const kernels = (of: readonly Cell[]) => of.filter(({ kind }) => kind === "kernel").length;
    rows.push([
      change.name,
      `${built.length - kernels(built)} of ${published.length - kernels(published)}`,
      `${kernels(built)} of ${kernels(published)}`,
      String(Math.round(sum(costs, "seconds") / 60)),
      gigabytes(sum(costs, "mb")),
      gigabytes(sum(those("carry").map(costOf), "mb")),
    ]);
  }
  const head = ["change", "root file systems built", "kernels built", "minutes", "uploaded", "copied"];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"---:|".repeat(head.length - 1)}`, ...rows.map(line), ""].join("\n");
}

const gigabytes = (mb: number) => (mb === 0 ? "0" : `${(mb / 1000).toFixed(2)} GB`);

/** The page's text with this table in the place of its own. */
export const withSavings = (page: string, table: string): string =>
  page.replace(/^\| change \| root file systems built .*\n(?:\|.*\n)+/m, table);

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const path = new URL("../docs/measurements.md", import.meta.url);
  const text = readFileSync(path, "utf8");
  const table = await savings(text);
  if (process.argv.includes("--write")) writeFileSync(path, withSavings(text, table));
  else if (!process.argv.includes("--check")) process.stdout.write(table);
  else if (withSavings(text, table) !== text) {
    process.stderr.write(
      "error: docs/measurements.md does not have the table of this tree: run `npm run bench -- plan --write`\n",
    );
    process.exitCode = 1;
  }
}
