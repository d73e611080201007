import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { selectCells } from "../../pipeline/runtime/cells.ts";
import { matrixOf, plan } from "../../pipeline/runtime/plan.ts";
import { cellsOf, synth } from "../../pipeline/synth/synth.ts";
import { publishedApp } from "../support/tree.ts";

const cells = cellsOf(synth(publishedApp()));

describe("selecting cells", () => {
  it("puts bases before presets and takes nothing twice", () => {
    const ids = ["codex-amd64-debian", "base-amd64-debian", "codex-amd64-debian"];
    expect(selectCells(cells, ids).map(({ id }) => id)).toEqual(["base-amd64-debian", "codex-amd64-debian"]);
  });

  it.each([
    ["codx-amd64-debian", 'unknown preset "codx"; one of: codex, claude-code, pi, openclaw, hermes'],
    ["codex-amd64-fedora", 'unknown flavor "fedora"; one of: ubuntu, alpine, debian'],
    ["codex", 'unknown cell "codex": a cell is <preset>-<arch>-<flavor>'],
    [
      "openclaw-arm64-alpine",
      "openclaw is not offered on alpine: its native parts ship as glibc prebuilts only; it is on ubuntu, debian",
    ],
    ["hermes-amd64-debian", "hermes is not offered on debian: it is installed with uv"],
  ])("says of %s what is wrong and what there is", (id, message) => {
    expect(() => selectCells(cells, [id])).toThrow(message);
  });
});

describe("planning", () => {
  it("builds every published image that is not staged, each on a machine of its arch", async () => {
    const root = mkdtempSync(join(tmpdir(), "smolvm-plan-"));
    const planned = await plan(cells, root);
    rmSync(root, { recursive: true });
    expect(planned).toHaveLength(20);
    expect(new Set(planned.map(({ action }) => action))).toEqual(new Set(["build"]));
    const bases = matrixOf(cells, planned, "base");
    expect(bases).toContainEqual({ cell: "base-arm64-alpine", runner: "ubuntu-24.04-arm" });
    expect(matrixOf(cells, planned, "preset")).toContainEqual({
      cell: "pi-amd64-alpine",
      runner: "ubuntu-24.04",
      base: "base-amd64-alpine",
    });
  });
});
