import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { takeArtifacts } from "../../../pipeline/release/artifacts.ts";
import { expectedAssets } from "../../../pipeline/release/expected.ts";
import type { Cell } from "../../../pipeline/schema/cells.ts";
import { stagedFilesOf } from "../../../pipeline/schema/kinds/index.ts";
import { sbomAsset } from "../../../pipeline/schema/names.ts";
import { StagingDirectory } from "../../../pipeline/stores/directory/staging.ts";
import { bytesOf, factsOf, stage } from "../../support/github/staging.ts";
import { recordedRun, tempDirectory } from "../../support/run.ts";
import { sampleCells } from "../../support/tree.ts";

const all = sampleCells();
const IDS = ["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu", "pi-amd64-ubuntu"];
const cells = { ...all, cells: all.cells.filter(({ id }) => IDS.includes(id)) };
const cellOf = (id: string): Cell => cells.cells.find((cell) => cell.id === id)!;
const CODEX = "codex-amd64-ubuntu-rootfs.ext4.zst";
const PI = "pi-amd64-ubuntu-rootfs.ext4.zst";

/** The artifacts of a run in which every cell was staged. */
let artifacts: string;
let target: string;
beforeEach(() => {
  artifacts = tempDirectory();
  target = join(tempDirectory(), "staged");
  for (const cell of cells.cells) stage({ ...cells, cells: [cell] }, join(artifacts, `cell-${cell.id}`));
});
const of = (id: string, file = "") => join(artifacts, `cell-${id}`, file);
const write = (path: string, text: string) => writeFileSync(path, text);
const takes = () => takeArtifacts(cells, artifacts, new StagingDirectory(target), recordedRun());
const taken = () => {
  try {
    return readdirSync(target).sort();
  } catch {
    return [];
  }
};

it("takes what every cell has staged, and the gate finds all of it", async () => {
  expect(await takes()).toEqual([]);
  const assets = cells.cells.flatMap((cell) => cell.assets);
  expect(taken()).toEqual(
    [
      ...new Set([...assets, ...assets.map((each) => `${each}.json`), ...assets.map(sbomAsset)]),
      "SHA256SUMS",
    ].sort(),
  );
  const expected = await expectedAssets(cells, new StagingDirectory(target));
  expect([expected.problems, expected.facts.length]).toEqual([[], assets.length]);
});

it("takes what the only cell has staged where it was downloaded without a directory of its name", async () => {
  artifacts = of("pi-amd64-ubuntu");
  expect(await takes()).toEqual([]);
  expect(taken()).toEqual([PI, `${PI}.json`, "SHA256SUMS", sbomAsset(PI)].sort());
});

it("takes a kernel with its configuration beside it, which is not published", async () => {
  write(of("kernel-amd64", "vmlinux-amd64.config"), "CONFIG_VIRTIO=y\n");
  expect(stagedFilesOf(cellOf("kernel-amd64"))).toContain("vmlinux-amd64.config");
  expect(await takes()).toEqual([]);
  expect(taken()).not.toContain("vmlinux-amd64.config");
});

it("can be repeated: what was taken is not missing", async () => {
  const kept = of("codex-amd64-ubuntu");
  const later = join(tempDirectory(), "later");
  cpSync(kept, later, { recursive: true });
  rmSync(kept, { recursive: true });
  expect(await takes()).toEqual([]);
  cpSync(later, kept, { recursive: true });
  expect(await takes()).toEqual([]);
  expect((await expectedAssets(cells, new StagingDirectory(target))).problems).toEqual([]);
});

it("takes an inventory byte by byte, also where it is no text", async () => {
  const sbom = sbomAsset(PI);
  const bytes = Buffer.from([0x7b, 0xff, 0x7d]);
  writeFileSync(of("pi-amd64-ubuntu", sbom), bytes);
  const facts = factsOf(cellOf("pi-amd64-ubuntu"), PI);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  write(
    of("pi-amd64-ubuntu", `${PI}.json`),
    JSON.stringify({ ...facts, sbom: { ...facts.sbom, sha256, size: 3 } }),
  );
  expect(await takes()).toEqual([]);
  expect(readFileSync(join(target, sbom)).equals(bytes)).toBe(true);
});

it("leaves it to the gate to name what is missing", async () => {
  rmSync(of("codex-amd64-ubuntu"), { recursive: true });
  expect(await takes()).toEqual([]);
  const { problems } = await expectedAssets(cells, new StagingDirectory(target));
  expect(problems).toEqual([expect.stringMatching(new RegExp(`^${CODEX}: not staged in `))]);
});

/** Everything that the job of pi can leave: files of its own making, in its own artifact and in new ones. */
const ATTACKS: [string, () => void, RegExp][] = [
  [
    "an asset of another cell, with its facts",
    () => cpSync(of("codex-amd64-ubuntu", CODEX), of("pi-amd64-ubuntu", CODEX)),
    new RegExp(`^cell-pi-amd64-ubuntu: ${CODEX} is not a file of this cell$`),
  ],
  [
    "facts that name the asset of another cell",
    () =>
      write(
        of("pi-amd64-ubuntu", `${PI}.json`),
        JSON.stringify(factsOf(cellOf("codex-amd64-ubuntu"), CODEX)),
      ),
    /pi-amd64-ubuntu-rootfs\.ext4\.zst\.json does not contain the facts of an asset \(they are those of codex-amd64-ubuntu-rootfs/,
  ],
  [
    "facts of another cell under its own asset's name",
    () =>
      write(
        of("pi-amd64-ubuntu", `${PI}.json`),
        JSON.stringify({ ...factsOf(cellOf("codex-amd64-ubuntu"), CODEX), asset: PI }),
      ),
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI}\\.json has the facts of another cell \\(codex-amd64-ubuntu\\)$`),
  ],
  [
    "facts whose inventory is another cell's",
    () => {
      const facts = factsOf(cellOf("pi-amd64-ubuntu"), PI);
      write(
        of("pi-amd64-ubuntu", `${PI}.json`),
        JSON.stringify({ ...facts, sbom: { ...facts.sbom, asset: sbomAsset(CODEX) } }),
      );
    },
    /\.json has the facts of another cell/,
  ],
  [
    "an artifact of a cell that is not declared",
    () => mkdirSync(join(artifacts, "cell-evil-amd64-ubuntu")),
    /^cell-evil-amd64-ubuntu: it is not the artifact of a published cell$/,
  ],
  [
    "the manifest of the release",
    () => write(of("pi-amd64-ubuntu", "manifest.json"), "{}"),
    /^cell-pi-amd64-ubuntu: manifest\.json is not a file of this cell$/,
  ],
  [
    "a link in place of its asset",
    () => {
      rmSync(of("pi-amd64-ubuntu", PI));
      symlinkSync(of("codex-amd64-ubuntu", CODEX), of("pi-amd64-ubuntu", PI));
    },
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} is not a regular file$`),
  ],
  [
    "a directory in place of its asset",
    () => {
      rmSync(of("pi-amd64-ubuntu", PI));
      mkdirSync(of("pi-amd64-ubuntu", PI));
    },
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} is not a regular file$`),
  ],
  [
    "a link to a directory in place of its artifact",
    () => {
      rmSync(of("pi-amd64-ubuntu"), { recursive: true });
      symlinkSync(of("codex-amd64-ubuntu"), join(artifacts, "cell-pi-amd64-ubuntu"));
    },
    /^cell-pi-amd64-ubuntu: it is not a directory$/,
  ],
  [
    "other bytes than its facts say, as many",
    () => write(of("pi-amd64-ubuntu", PI), bytesOf(PI).toUpperCase()),
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} has another sha256 than its facts say \\([0-9a-f]{64}\\)$`),
  ],
  [
    "more bytes than its facts say",
    () => write(of("pi-amd64-ubuntu", PI), `${bytesOf(PI)}more`),
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} has \\d+ bytes, but its facts say \\d+$`),
  ],
  [
    "more bytes than an asset may have",
    () => truncateSync(of("pi-amd64-ubuntu", PI), 2 ** 31),
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} has too many bytes \\(2147483648\\)$`),
  ],
  [
    "an inventory that fills the memory",
    () => truncateSync(of("pi-amd64-ubuntu", sbomAsset(PI)), (16 << 20) + 1),
    /^cell-pi-amd64-ubuntu: pi-amd64-ubuntu-rootfs\.cdx\.json has too many bytes \(16777217\)$/,
  ],
  [
    "a changed inventory",
    () => write(of("pi-amd64-ubuntu", sbomAsset(PI)), bytesOf(sbomAsset(PI)).toUpperCase()),
    /^cell-pi-amd64-ubuntu: pi-amd64-ubuntu-rootfs\.cdx\.json has another sha256 than its facts say/,
  ],
  [
    "facts without their asset",
    () => rmSync(of("pi-amd64-ubuntu", PI)),
    new RegExp(`^cell-pi-amd64-ubuntu: ${PI} is missing, but its facts are there$`),
  ],
  [
    "a facts file that fills the memory",
    () => truncateSync(of("pi-amd64-ubuntu", `${PI}.json`), (16 << 20) + 1),
    /\.json has too many bytes \(16777217\)$/,
  ],
  [
    "facts that are none",
    () => write(of("pi-amd64-ubuntu", `${PI}.json`), "{}"),
    /\.json does not contain the facts of an asset/,
  ],
];

describe("from a job in which a package has turned bad, refuses by name, and takes nothing of any cell:", () => {
  it.each(ATTACKS)("%s", async (_, attack, message) => {
    attack();
    const said = await takes().catch((error: Error) => [error.message]);
    expect(said).toEqual([expect.stringMatching(message)]);
    expect(taken()).toEqual([]);
  });
});

it("says what to do where there are no artifacts", async () => {
  rmSync(artifacts, { recursive: true });
  await expect(takes()).rejects.toThrow(
    /^cannot read .*: download the artifacts `cell-\*` of the run there$/,
  );
});
