import { describe, expect, it } from "vitest";
import { inputsWith } from "../../../pipeline/plan/freshness.ts";
import { isComplete, matrixOf, plan } from "../../../pipeline/plan/plan.ts";
import { type Selection, selectPublished } from "../../../pipeline/plan/selection.ts";
import { factsOf } from "../../support/github/staging.ts";
import { sampleCells } from "../../support/tree.ts";

const NOTHING_STAGED = { facts: async () => undefined };
const cells = sampleCells();
const published = cells.cells.filter((cell) => cell.published).map(({ id }) => id);
const ids = (selection: Selection) => selectPublished(cells, selection).map(({ id }) => id);

describe("what a person selects when they start the workflow", () => {
  it.each([
    ["nothing", {}],
    ["all", { presets: "all", flavors: "all", archs: "all" }],
    ["blanks", { presets: " ", flavors: "", archs: "\n" }],
    ["every name", { presets: "codex claude-code pi openclaw hermes", archs: "amd64,arm64" }],
  ])("%s is every published cell", (_, selection) => {
    expect(ids(selection)).toEqual(published);
  });

  it("presets bring the bases and kernels along that they lean on", () => {
    expect(ids({ presets: "codex", flavors: "alpine", archs: "amd64" })).toEqual([
      ...["kernel-amd64", "base-amd64-alpine", "codex-amd64-alpine"],
    ]);
  });

  it("everything has also what no preset leans on", () => {
    const bare = {
      ...cells,
      cells: cells.cells.filter(({ id }) => !/^[a-z-]+-arm64-alpine$/.test(id) || id.startsWith("base-")),
    };
    expect(selectPublished(bare, {}).map(({ id }) => id)).toContain("base-arm64-alpine");
    expect(selectPublished(bare, { archs: "arm64" }).map(({ id }) => id)).not.toContain("base-arm64-alpine");
    expect(selectPublished(bare, { presets: "codex", archs: "amd64" }).map(({ arch }) => arch)).not.toContain(
      "arm64",
    );
  });

  it("names may be apart by commas, spaces or lines, in any order, and twice", () => {
    const selection = { presets: " pi,\tcodex , pi\n", flavors: "ubuntu", archs: " arm64 " };
    expect(ids(selection)).toEqual([
      "kernel-arm64",
      "base-arm64-ubuntu",
      "codex-arm64-ubuntu",
      "pi-arm64-ubuntu",
    ]);
  });

  it("a preset that is refused on one of the flavors is taken on the others", () => {
    expect(ids({ presets: "hermes", archs: "amd64" })).toEqual([
      ...["kernel-amd64", "base-amd64-ubuntu", "hermes-amd64-ubuntu"],
    ]);
  });

  it.each([
    [{ presets: "codx" }, 'unknown preset "codx"; one of: all, codex, claude-code, pi, openclaw, hermes'],
    [{ flavors: "debian" }, 'unknown flavor "debian"; one of: all, ubuntu, alpine'],
    [{ archs: "x86_64" }, 'unknown arch "x86_64"; one of: all, amd64, arm64'],
    [{ presets: "codex $(id)" }, 'unknown preset "$(id)"'],
    [
      { presets: "openclaw", flavors: "alpine" },
      "openclaw is not offered on alpine: its native parts ship as glibc prebuilts only",
    ],
  ])("%j is refused, with what there is", (selection, message) => {
    expect(() => ids(selection)).toThrow(message);
  });
});

describe("the plan of a selection", () => {
  it("builds what is selected, says of the rest that it was not, and is not complete", async () => {
    const planned = await plan(cells, NOTHING_STAGED, {
      presets: "codex",
      flavors: "ubuntu",
      archs: "amd64",
    });
    expect(planned.map(({ id }) => id)).toEqual(published);
    expect(planned.filter(({ action }) => action === "build").map(({ id }) => id)).toEqual([
      ...["kernel-amd64", "base-amd64-ubuntu", "codex-amd64-ubuntu"],
    ]);
    expect(new Set(planned.filter(({ action }) => action === "skip").map(({ why }) => why))).toEqual(
      new Set(["not selected"]),
    );
    expect(isComplete(planned)).toBe(false);
    expect(matrixOf(cells, planned, "preset")).toEqual([
      {
        cell: "codex-amd64-ubuntu",
        runner: "ubuntu-24.04",
        kernel: "kernel-amd64",
        base: "base-amd64-ubuntu",
      },
    ]);
  });

  it.each<[string, readonly string[], string | undefined, "build" | "skip", string]>([
    ["as declared", [], undefined, "skip", "staged with these inputs"],
    ["with what the tree accepts", ["apk=unrecorded"], undefined, "skip", "staged with these inputs"],
    ["of other inputs", [], "0".repeat(64), "build", "staged with other inputs"],
    ["with an option", ["level=3"], undefined, "build", "staged, and not as declared (level=3)"],
  ])("builds what is staged %s, or not, and says why", async (_, overrides, inputs, action, why) => {
    const staged = {
      facts: async (asset: string) => {
        const cell = cells.cells.find(({ assets }) => assets.includes(asset))!;
        return { ...factsOf(cell, asset, overrides), inputs: inputs ?? inputsWith(cell, overrides) };
      },
    };
    for (const planned of await plan(cells, staged)) expect(planned).toMatchObject({ action, why });
  });

  it("builds a cell one of whose assets is not staged", async () => {
    const staged = {
      facts: async (asset: string) => {
        const cell = cells.cells.find(({ assets }) => assets.includes(asset))!;
        return asset.endsWith(".elf") ? undefined : factsOf(cell, asset);
      },
    };
    const planned = await plan(cells, staged);
    expect(planned.filter(({ action }) => action === "build")).toEqual([
      { id: "kernel-amd64", action: "build", why: "not staged" },
      { id: "kernel-arm64", action: "build", why: "not staged" },
    ]);
  });

  it("of everything is complete: only that is published", async () => {
    expect(isComplete(await plan(cells, NOTHING_STAGED))).toBe(true);
  });
});
