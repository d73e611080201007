import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { handoverOf, STEPS } from "../../../../pipeline/runtime/kinds/index.ts";
import { kernelDirectory } from "../../../../pipeline/runtime/kinds/kernel/cache.ts";
import type { Workshop } from "../../../../pipeline/runtime/workshop.ts";
import { Cell, type Cells } from "../../../../pipeline/schema/cells.ts";
import { KIND_NAMES, kindNamed, ofKind } from "../../../../pipeline/schema/kinds/index.ts";
import { KERNEL_FORMATS, type KernelFormat, kernelAsset } from "../../../../pipeline/schema/names.ts";
import { sha256File } from "../../../../pipeline/util/hash.ts";
import { REPOSITORY } from "../../../support/project.ts";
import { recordedRun, tempDirectory } from "../../../support/run.ts";
import { sampleCells } from "../../../support/tree.ts";

const PIPELINE = join(REPOSITORY, "pipeline");
const cells = sampleCells();
const kernel = ofKind(cells.cells, "kernel").find(({ arch }) => arch === "amd64")!;
const codex = cells.cells.find(({ id }) => id === "codex-amd64-ubuntu")!;
const HASH = "1".repeat(64);

/** A workshop without Docker, with a compiled kernel in its cache. */
function workshop(options: object = {}, all: Cells = cells): Workshop {
  const cache = tempDirectory();
  const shop = { cells: all, cache, run: recordedRun(), options: { ...options } } as unknown as Workshop;
  const directory = kernelDirectory(shop, kernel);
  mkdirSync(directory, { recursive: true });
  const facts = KERNEL_FORMATS.map((format, index) => ({
    ...{ schema_version: 1, id: kernel.id, kind: "kernel", arch: "amd64", format, size: 6, image_size: 6 },
    ...{ asset: kernelAsset("amd64", format), sha256: HASH.replaceAll("1", String(index + 1)) },
    ...{ image_sha256: HASH, inputs: kernel.inputs, overrides: [], source: "linux", packages: [] },
  }));
  writeFileSync(join(directory, "facts.json"), JSON.stringify(facts));
  return shop;
}

describe("the registry of kinds", () => {
  it("says of each kind of cell how it is made, and of no other", () => {
    const declared = Cell.options.map(({ shape }) => shape.kind.value);
    expect(Object.keys(STEPS).sort()).toEqual([...declared].sort());
  });

  it("has a folder for each kind", () => {
    for (const kind of KIND_NAMES) expect(existsSync(join(PIPELINE, "runtime/kinds", kind))).toBe(true);
  });

  it("says how what other kinds lean on is made", () => {
    for (const kind of KIND_NAMES) {
      expect(STEPS[kind].handOver !== undefined).toBe(kindNamed(kind).handedOn !== undefined);
    }
  });

  it("has a stage for what a job of its own makes", () => {
    for (const kind of KIND_NAMES) {
      expect(STEPS[kind].container !== undefined).toBe(kindNamed(kind).handedOn?.stage === "container");
    }
  });

  it("is asked: outside of it and of the schema's, nothing in the pipeline compares the kinds of cells", () => {
    const own = /^(?:schema\/kinds|runtime\/kinds)\//;
    const names = KIND_NAMES.join("|");
    const compares = new RegExp(`\\bkind [!=]== "(?:${names})"|switch \\(\\w+\\.kind\\)`);
    const files = readdirSync(PIPELINE, { recursive: true, encoding: "utf8" });
    const found = files
      .filter((path) => path.endsWith(".ts") && !own.test(path))
      .filter((path) => compares.test(readFileSync(join(PIPELINE, path), "utf8")));
    expect(found).toEqual([]);
  });
});

describe("what cells need of others", () => {
  it("is the kernel of their arch in the format of each machine, with the hash that its facts say", async () => {
    const shop = workshop();
    const inFormat = (format: KernelFormat) => ({
      kernel: join(kernelDirectory(shop, kernel), format),
      format,
      sha256: HASH.replaceAll("1", String(KERNEL_FORMATS.indexOf(format) + 1)),
    });
    expect(await handoverOf(shop).below(codex, "kernel")).toEqual({
      pci: inFormat("image"),
      mmio: inFormat("elf"),
    });
  });

  it.each([
    ["MZ and more", "image"],
    ["\x7fELF and more", "elf"],
    ["", "image"],
  ])(
    "is the user's kernel where one is given, for both machines, hashed once (%j)",
    async (bytes, format) => {
      const path = join(tempDirectory(), "vmlinuz");
      writeFileSync(path, bytes);
      const handover = handoverOf(workshop({ kernel: { kernel: path, initrd: "/initrd" } }));
      const first = await handover.below(codex, "kernel");
      const given = { kernel: path, initrd: "/initrd", format, sha256: await sha256File(path) };
      expect(first).toEqual({ pci: given, mmio: given });
      writeFileSync(path, "another kernel");
      expect(await handover.below(codex, "kernel")).toBe(first);
    },
  );

  it("is made once for all of them, and anew by another handover", async () => {
    const shop = workshop();
    const [one, other] = [handoverOf(shop), handoverOf(shop)];
    const first = await one.ensure(kernel);
    expect(await one.below(codex, "kernel")).toBe(first);
    expect(await other.ensure(kernel)).not.toBe(first);
  });

  it("is tried again where it could not be had", async () => {
    const path = join(tempDirectory(), "vmlinuz");
    const handover = handoverOf(workshop({ kernel: { kernel: path } }));
    await expect(handover.ensure(kernel)).rejects.toThrow("ENOENT");
    writeFileSync(path, "a kernel");
    expect(await handover.ensure(kernel)).toMatchObject({ pci: { kernel: path }, mmio: { kernel: path } });
  });

  it("is declared, or the error says what is missing", async () => {
    const without = { ...cells, cells: cells.cells.filter(({ id }) => id !== kernel.id) };
    await expect(handoverOf(workshop({}, without)).below(codex, "kernel")).rejects.toThrow(
      /^codex-amd64-ubuntu needs the cell kernel-amd64, which is not in out\/cells\.json: declare it/,
    );
    await expect(handoverOf(workshop()).below(kernel, "base")).rejects.toThrow(
      /^kernel-amd64 needs the cell of the kind base, which is not in/,
    );
  });
});
