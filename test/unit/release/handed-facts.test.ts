import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { inputsWith } from "../../../pipeline/plan/freshness.ts";
import { releaseManifest } from "../../../pipeline/release/digests.ts";
import { expectedAssets } from "../../../pipeline/release/expected.ts";
import { handedFacts } from "../../../pipeline/release/handed-facts.ts";
import type { Cell } from "../../../pipeline/schema/cells.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { factsOf, stage } from "../../support/github/staging.ts";
import { tempDirectory } from "../../support/run.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu", "pi-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const cellOf = (id: string): Cell => cells.cells.find((cell) => cell.id === id)!;
const PI = "pi-amd64-ubuntu-rootfs.ext4.zst";

/** The artifacts with the facts of a run in which every cell was staged. */
let directory: string;
beforeEach(() => {
  directory = tempDirectory();
  for (const cell of cells.cells) {
    mkdirSync(join(directory, `facts-${cell.id}`));
    for (const asset of cell.assets) write(cell.id, `${asset}.json`, factsOf(cell, asset));
  }
});
const of = (id: string, file = "") => join(directory, `facts-${id}`, file);
const write = (id: string, file: string, facts: unknown) =>
  writeFileSync(of(id, file), JSON.stringify(facts));

it("make the same manifest as what is staged", async () => {
  const { facts, problems } = await handedFacts(cells, directory);
  expect([problems, facts.length]).toEqual([[], cells.cells.flatMap(({ assets }) => assets).length]);
  const staged = tempDirectory();
  stage(cells, staged);
  const expected = await expectedAssets(cells, new StagingDirectory(staged));
  const manifest = releaseManifest(cells, { facts });
  expect(manifest).toBe(releaseManifest(cells, expected));
  expect(JSON.parse(manifest)).toMatchObject({ tag: cells.tag, images: { length: 6 } });
});

it("are found where those of the only cell were downloaded without a directory of its name", async () => {
  const [only] = cells.cells.filter(({ id }) => id === "pi-amd64-ubuntu");
  const facts = readFileSync(of("pi-amd64-ubuntu", `${PI}.json`));
  rmSync(directory, { recursive: true });
  mkdirSync(directory);
  writeFileSync(join(directory, `${PI}.json`), facts);
  const found = await handedFacts({ ...cells, cells: [only!] }, directory);
  expect([found.problems, found.facts.map(({ asset }) => asset)]).toEqual([[], [PI]]);
  writeFileSync(join(directory, "evil"), "");
  expect((await handedFacts({ ...cells, cells: [only!] }, directory)).problems).toEqual([
    "facts-pi-amd64-ubuntu: evil is not a file of the facts of this cell",
  ]);
});

describe("are refused by name with", () => {
  it.each<[string, () => void, RegExp]>([
    [
      "those of a cell that is not published",
      () => mkdirSync(of("evil-amd64-ubuntu")),
      /^facts-evil-amd64-ubuntu: it is not the artifact of a published cell$/,
    ],
    [
      "those of another cell",
      () => write("pi-amd64-ubuntu", "vmlinux-amd64.elf.json", {}),
      /^facts-pi-amd64-ubuntu: vmlinux-amd64\.elf\.json is not a file of the facts of this cell$/,
    ],
    [
      "a link in place of a file",
      () => {
        rmSync(of("pi-amd64-ubuntu", `${PI}.json`));
        symlinkSync("/etc/passwd", of("pi-amd64-ubuntu", `${PI}.json`));
      },
      new RegExp(`^facts-pi-amd64-ubuntu: ${PI}\\.json is not a regular file$`),
    ],
    [
      "a file that fills the memory",
      () => truncateSync(of("pi-amd64-ubuntu", `${PI}.json`), (16 << 20) + 1),
      new RegExp(`^facts-pi-amd64-ubuntu: ${PI}\\.json has too many bytes \\(16777217\\)$`),
    ],
    [
      "what another cell would say, under this cell's name",
      () =>
        write("pi-amd64-ubuntu", `${PI}.json`, {
          ...factsOf(cellOf("codex-amd64-ubuntu"), "codex-amd64-ubuntu-rootfs.ext4.zst"),
          asset: PI,
        }),
      new RegExp(`^${PI}: made from other inputs than the tree's`),
    ],
    [
      "an override that the tree does not accept",
      () =>
        write("pi-amd64-ubuntu", `${PI}.json`, {
          ...factsOf(cellOf("pi-amd64-ubuntu"), PI, ["level=3"]),
          inputs: inputsWith(cellOf("pi-amd64-ubuntu"), ["level=3"]),
        }),
      new RegExp(`^${PI}: not as declared \\(level=3\\)$`),
    ],
    [
      "a cell missing",
      () => rmSync(of("pi-amd64-ubuntu"), { recursive: true }),
      new RegExp(`^${PI}: not staged in `),
    ],
  ])("%s", async (_, change, message) => {
    change();
    expect((await handedFacts(cells, directory)).problems).toEqual([expect.stringMatching(message)]);
  });
});
