import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { selectCells } from "../../../pipeline/plan/cells.ts";
import { attestations, matrixOf, plan } from "../../../pipeline/plan/plan.ts";
import { readCells } from "../../../pipeline/runtime/read-cells.ts";
import { CELLS_PATH } from "../../../pipeline/schema/cells.ts";
import { idsBelow } from "../../../pipeline/schema/kinds/index.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { PipelineError } from "../../../pipeline/util/error.ts";
import { sampleApp } from "../../support/tree.ts";

const NOTHING_STAGED = { facts: async () => undefined };
const output = synth(sampleApp());
const cells = cellsOf(output);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "smolvm-cells-"));
});
afterEach(() => rmSync(root, { recursive: true }));

describe("selecting cells", () => {
  const select = (...ids: string[]) => selectCells(cells, ids).map(({ id }) => id);

  it("puts kernels before bases before presets, and else keeps the order in which they were named", () => {
    expect(
      select(
        "pi-amd64-alpine",
        "base-arm64-debian",
        "codex-amd64-debian",
        "kernel-amd64",
        "base-amd64-debian",
      ),
    ).toEqual([
      "kernel-amd64",
      ...["base-arm64-debian", "base-amd64-debian"],
      ...["pi-amd64-alpine", "codex-amd64-debian"],
    ]);
  });

  it("takes nothing twice", () => {
    expect(select("codex-amd64-debian", "codex-amd64-debian")).toEqual(["codex-amd64-debian"]);
  });

  it("finds every cell by its id, and a preset's base", () => {
    expect(select(...cells.cells.map(({ id }) => id)).sort()).toEqual(cells.cells.map(({ id }) => id).sort());
    const [preset] = selectCells(cells, ["claude-code-arm64-alpine"]);
    expect(idsBelow(preset!).base).toBe("base-arm64-alpine");
  });

  it.each([
    ["codx-amd64-debian", 'unknown preset "codx"; one of: codex, claude-code, pi, openclaw, hermes'],
    ["codex-amd64-fedora", 'unknown flavor "fedora"; one of: ubuntu, alpine, debian'],
    ["base-arm64-fedora", 'unknown flavor "fedora"; one of: ubuntu, alpine, debian'],
    [
      "codex",
      'unknown cell "codex": a cell is <preset>-<arch>-<flavor>, base-<arch>-<flavor> or kernel-<arch>',
    ],
    ["codex-riscv64-ubuntu", 'unknown cell "codex-riscv64-ubuntu": a cell is <preset>-<arch>-<flavor>'],
    ["", 'unknown cell "": a cell is'],
  ])("says of %j what is wrong and what there is", (id, message) => {
    expect(() => select("codex-amd64-debian", id)).toThrow(PipelineError);
    expect(() => select("codex-amd64-debian", id)).toThrow(message);
  });

  it.each([
    ["openclaw", "alpine", "ubuntu, debian"],
    ["hermes", "alpine", "ubuntu"],
    ["hermes", "debian", "ubuntu"],
  ])("says why %s is refused on %s, and that it is on %s", (preset, flavor, offered) => {
    const reason = cells.refused[preset]?.[flavor];
    expect(reason).toMatch(/\w{4}/);
    expect(() => select(`${preset}-arm64-${flavor}`)).toThrow(
      `${preset} is not offered on ${flavor}: ${reason}; it is on ${offered}`,
    );
  });
});

describe("reading cells", () => {
  const put = (text: string) => {
    mkdirSync(join(root, "out"));
    writeFileSync(join(root, CELLS_PATH), text);
  };

  it("gives back what synth wrote", () => {
    put(output.get(CELLS_PATH)!);
    expect(readCells(root)).toEqual(cells);
  });

  it.each<[string, string | undefined]>([
    ["there are none", undefined],
    ["they are cut short", output.get(CELLS_PATH)!.slice(0, 1000)],
    ["another version wrote them", JSON.stringify({ ...cells, schema_version: 2 })],
    [
      "a path climbs out of the project",
      JSON.stringify(cells).replace('"dockerfile":"dockerfiles/', '"dockerfile":"../'),
    ],
  ])("says what to do where %s", (_, text) => {
    if (text !== undefined) put(text);
    expect(() => readCells(root)).toThrow(PipelineError);
    expect(() => readCells(root)).toThrow(
      /(there is no out\/cells\.json in .+ first, in the directory of .+|^out\/cells\.json is not valid for this version of the program \(.+\): run `npx smolvm-images synth`)$/,
    );
  });
});

describe("planning", () => {
  it("has every cell's assets attested together with their inventory", async () => {
    const entries = attestations(cells, await plan(cells, NOTHING_STAGED));
    expect(entries).toHaveLength(22);
    expect(entries).toContainEqual({
      cell: "kernel-arm64",
      subjects: "staged/vmlinux-arm64.elf\nstaged/vmlinux-arm64.image",
      files: "staged/vmlinux-arm64.elf\nstaged/vmlinux-arm64.image\nstaged/vmlinux-arm64.cdx.json",
      sbom: "staged/vmlinux-arm64.cdx.json",
    });
    expect(entries).toContainEqual({
      cell: "base-amd64-ubuntu",
      subjects: "staged/base-amd64-rootfs.ext4.zst",
      files: "staged/base-amd64-rootfs.ext4.zst\nstaged/base-amd64-rootfs.cdx.json",
      sbom: "staged/base-amd64-rootfs.cdx.json",
    });
  });

  it("builds every published cell that is not staged, each on a machine of its arch", async () => {
    const planned = await plan(cells, NOTHING_STAGED);
    expect(planned).toHaveLength(22);
    expect(new Set(planned.map(({ action }) => action))).toEqual(new Set(["build"]));
    const bases = matrixOf(cells, planned, "base");
    expect(bases).toContainEqual({
      cell: "base-arm64-alpine",
      runner: "ubuntu-24.04-arm",
      kernel: "kernel-arm64",
    });
    expect(matrixOf(cells, planned, "kernel")).toEqual(
      cells.cells.flatMap((cell) =>
        cell.kind === "kernel" ? [{ cell: cell.id, runner: expect.stringMatching(/^ubuntu-24/) }] : [],
      ),
    );
    expect(matrixOf(cells, planned, "preset")).toContainEqual({
      cell: "pi-amd64-alpine",
      runner: "ubuntu-24.04",
      kernel: "kernel-amd64",
      base: "base-amd64-alpine",
    });
  });
});
