import { describe, expect, it } from "vitest";
import { Cell } from "../../../pipeline/schema/cells.ts";
import {
  buildsOn,
  cellId,
  flavorOf,
  flavorsOf,
  idsBelow,
  inBuildOrder,
  KIND_NAMES,
  kindNamed,
  ofKind,
  PUBLISHED_KINDS,
  presetOf,
} from "../../../pipeline/schema/kinds/index.ts";
import { sampleCells } from "../../support/tree.ts";

const { cells } = sampleCells();

describe("the registry of kinds", () => {
  it("has an entry for each kind of cell that out/cells.json may have, and no other", () => {
    const declared = Cell.options.map(({ shape }) => shape.kind.value);
    expect([...KIND_NAMES].sort()).toEqual([...declared].sort());
  });

  it("is in the order in which cells are built: each kind depends on kinds before it", () => {
    expect(KIND_NAMES).toEqual(["kernel", "base", "preset", "initramfs"]);
    for (const [index, kind] of KIND_NAMES.entries()) {
      const below = Object.keys(kindNamed(kind).dependsOn);
      expect(KIND_NAMES.slice(0, index)).toEqual(expect.arrayContaining(below));
    }
  });

  it("names no two matrices alike, and each kind that others depend on declares what it hands on", () => {
    const matrices = PUBLISHED_KINDS.map((kind) => kindNamed(kind).matrix);
    expect(matrices).toEqual(["kernels", "bases", "presets"]);
    const below = new Set(KIND_NAMES.flatMap((kind) => Object.keys(kindNamed(kind).dependsOn)));
    expect([...below].sort()).toEqual(KIND_NAMES.filter((kind) => kindNamed(kind).handedOn).sort());
  });

  it("says how ids are written, as they are", () => {
    for (const cell of cells) {
      const values: Record<string, string | null> = {
        ...{ arch: cell.arch, flavor: flavorOf(cell), preset: presetOf(cell) },
      };
      const written = kindNamed(cell.kind).idForm.replace(/<(\w+)>/g, (_, field) => values[field] ?? "?");
      expect([cell.id, cellId(cell)]).toEqual([written, written]);
    }
  });
});

describe("cells", () => {
  it("depend on cells that exist, of the declared kinds, for the same arch", () => {
    for (const cell of cells) {
      for (const [kind, id] of Object.entries(idsBelow(cell))) {
        expect(cells.find((each) => each.id === id)).toMatchObject({ kind, arch: cell.arch });
      }
    }
    const codex = cells.find(({ id }) => id === "codex-arm64-alpine")!;
    expect(idsBelow(codex)).toEqual({ kernel: "kernel-arm64", base: "base-arm64-alpine" });
  });

  it("come in the order of their kinds, and else in their own", () => {
    const shuffled = [...cells].reverse();
    expect(inBuildOrder(shuffled)).toEqual([
      ...ofKind(shuffled, "kernel"),
      ...ofKind(shuffled, "base"),
      ...ofKind(shuffled, "preset"),
    ]);
    expect(inBuildOrder(cells)).toHaveLength(cells.length);
  });

  it("are built on machines of their arch; a kernel on any", () => {
    const on = (id: string) => {
      const cell = cells.find((each) => each.id === id)!;
      return [buildsOn("amd64", cell), buildsOn("arm64", cell)];
    };
    expect([on("codex-arm64-ubuntu"), on("base-amd64-ubuntu"), on("kernel-arm64")]).toEqual([
      [false, true],
      [true, false],
      [true, true],
    ]);
  });

  it("have flavors and presets, or none", () => {
    expect(flavorsOf(cells)).toEqual(["ubuntu", "alpine", "debian"]);
    const kernel = ofKind(cells, "kernel")[0]!;
    expect([flavorOf(kernel), presetOf(kernel), presetOf(ofKind(cells, "base")[0]!)]).toEqual([
      null,
      null,
      null,
    ]);
  });
});
