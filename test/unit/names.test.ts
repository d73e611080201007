import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ARCHS,
  assetNames,
  type Coordinates,
  cellId,
  checkName,
  kernelFormatOf,
} from "../../pipeline/schema/names.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,2}$/).filter((text) => {
  try {
    checkName("preset", text);
    return true;
  } catch {
    return false;
  }
});
const arch = fc.constantFrom(...ARCHS);
const coordinates: fc.Arbitrary<Coordinates> = fc.oneof(
  fc.record({ kind: fc.constant("preset" as const), preset: name, arch, flavor: name }),
  fc.record({ kind: fc.constant("base" as const), arch, flavor: name }),
  fc.record({ kind: fc.constant("kernel" as const), arch }),
);

describe("names", () => {
  it("are those of the contract", () => {
    const on = (flavor: string) => assetNames({ kind: "base", arch: "amd64", flavor }, "ubuntu");
    expect(
      assetNames({ kind: "preset", preset: "codex", arch: "amd64", flavor: "ubuntu" }, "ubuntu"),
    ).toEqual(["codex-amd64-ubuntu-rootfs.ext4.zst"]);
    expect(on("ubuntu")).toEqual(["base-amd64-rootfs.ext4.zst"]);
    expect(on("alpine")).toEqual(["base-amd64-alpine-rootfs.ext4.zst"]);
    expect(assetNames({ kind: "kernel", arch: "arm64" }, "ubuntu")).toEqual([
      "vmlinux-arm64.elf",
      "vmlinux-arm64.image",
    ]);
    expect(kernelFormatOf("qemu")).toBe("image");
    expect(kernelFormatOf("firecracker")).toBe("elf");
  });

  it("are legal on a GitHub release", () => {
    fc.assert(
      fc.property(coordinates, name, (cell, flavor) => {
        for (const asset of assetNames(cell, flavor)) expect(asset).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      }),
    );
  });

  it("differ between any two cells, ids and assets alike", () => {
    fc.assert(
      fc.property(coordinates, coordinates, name, (one, other, flavor) => {
        fc.pre(JSON.stringify(Object.entries(one).sort()) !== JSON.stringify(Object.entries(other).sort()));
        expect(cellId(one)).not.toBe(cellId(other));
        const shared = assetNames(one, flavor).filter((asset) => assetNames(other, flavor).includes(asset));
        expect(shared).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(["", "Codex", "a_b", "-a", "a-", "a--b", "base", "my-kernel", "x-amd64", "a/b", "a.b"])(
    "refuse %j as a preset",
    (text) => {
      expect(() => checkName("preset", text)).toThrow(`preset "${text}"`);
    },
  );
});
