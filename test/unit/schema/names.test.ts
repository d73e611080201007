import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assetNames, type Coordinates, cellId } from "../../../pipeline/schema/kinds/index.ts";
import {
  ARCHS,
  assetUrl,
  KERNEL_FORMATS,
  kernelAsset,
  kernelFormatOf,
  MANIFEST_ASSET,
  MANIFEST_BUNDLE_ASSET,
  nameError,
  SUMS_ASSET,
  sbomAsset,
  VMMS,
} from "../../../pipeline/schema/names.ts";

/** Whether a preset or flavor may be called that. */
const allowed = (name: string) => nameError("preset", name) === undefined;

// Few words, among them those that ids are made from: names that nearly collide, and often.
const word = fc.constantFrom("a", "b", "rootfs", "base", "kernel", "vmlinux", "amd64", "arm64", "ubuntu");
const name = fc
  .array(word, { minLength: 1, maxLength: 3 })
  .map((words) => words.join("-"))
  .filter(allowed);
const arch = fc.constantFrom(...ARCHS);
const coordinates: fc.Arbitrary<Coordinates> = fc.oneof(
  fc.record({ kind: fc.constant("preset" as const), preset: name, arch, flavor: name }),
  fc.record({ kind: fc.constant("base" as const), arch, flavor: name }),
  fc.record({ kind: fc.constant("kernel" as const), arch }),
);
const same = (one: object, other: object) =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

describe("the names of the contract", () => {
  it.each<[Coordinates, string, string[]]>([
    [
      { kind: "preset", preset: "codex", arch: "amd64", flavor: "ubuntu" },
      "codex-amd64-ubuntu",
      ["codex-amd64-ubuntu-rootfs.ext4.zst"],
    ],
    [
      { kind: "preset", preset: "claude-code", arch: "arm64", flavor: "alpine" },
      "claude-code-arm64-alpine",
      ["claude-code-arm64-alpine-rootfs.ext4.zst"],
    ],
    [{ kind: "base", arch: "amd64", flavor: "ubuntu" }, "base-amd64-ubuntu", ["base-amd64-rootfs.ext4.zst"]],
    [
      { kind: "base", arch: "amd64", flavor: "alpine" },
      "base-amd64-alpine",
      ["base-amd64-alpine-rootfs.ext4.zst"],
    ],
    [{ kind: "kernel", arch: "arm64" }, "kernel-arm64", ["vmlinux-arm64.elf", "vmlinux-arm64.image"]],
  ])("%j is the cell %s, and %j on the release", (cell, id, assets) => {
    expect(cellId(cell)).toBe(id);
    expect(assetNames(cell, "ubuntu")).toEqual(assets);
  });

  it.each([
    ["amd64", { firecracker: "elf", qemu: "image", libkrun: "elf" }],
    ["arm64", { firecracker: "image", qemu: "image", libkrun: "image" }],
  ] as const)("give each VMM the kernel that it starts on %s", (on, formats) => {
    expect(Object.fromEntries(VMMS.map((vmm) => [vmm, kernelFormatOf(vmm, on)]))).toEqual(formats);
  });

  it("are three more for what goes along with the assets", () => {
    expect([MANIFEST_ASSET, MANIFEST_BUNDLE_ASSET, SUMS_ASSET]).toEqual([
      ...["manifest.json", "manifest.json.sigstore.json", "SHA256SUMS"],
    ]);
  });

  it("lead to the release of the tag", () => {
    expect(assetUrl("CelestoAI/SmolVM", "images-v1", "vmlinux-amd64.elf")).toBe(
      "https://github.com/CelestoAI/SmolVM/releases/download/images-v1/vmlinux-amd64.elf",
    );
  });
});

describe("any names that may be chosen", () => {
  it("make ids and assets that are legal on a GitHub release", () => {
    const anyName = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(..."ab09-_./ A\n") });
    fc.assert(
      fc.property(fc.oneof(name, anyName.filter(allowed)), arch, name, (preset, on, flavor) => {
        const cell = { kind: "preset", preset, arch: on, flavor } as const;
        for (const text of [cellId(cell), ...assetNames(cell, flavor)]) {
          expect(text).toMatch(/^[A-Za-z0-9._-]+$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("make different ids and assets for any two cells", () => {
    fc.assert(
      fc.property(coordinates, coordinates, name, (one, other, defaultFlavor) => {
        fc.pre(!same(one, other));
        expect(cellId(one)).not.toBe(cellId(other));
        const taken = new Set(assetNames(one, defaultFlavor));
        expect(assetNames(other, defaultFlavor).filter((asset) => taken.has(asset))).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  it("make no asset that could be taken for the release's manifest, checksums, or facts", () => {
    fc.assert(
      fc.property(coordinates, name, (cell, defaultFlavor) => {
        for (const asset of assetNames(cell, defaultFlavor))
          expect(asset).toMatch(/\.(ext4\.zst|elf|image)$/);
      }),
    );
  });
});

it("of a cell's inventory is that of its asset, and one for both formats of a kernel", () => {
  expect(sbomAsset("codex-amd64-alpine-rootfs.ext4.zst")).toBe("codex-amd64-alpine-rootfs.cdx.json");
  expect(kernelAsset("amd64", "elf")).toBe("vmlinux-amd64.elf");
  expect(ARCHS.map((on) => KERNEL_FORMATS.map((format) => sbomAsset(kernelAsset(on, format))))).toEqual([
    Array(2).fill("vmlinux-amd64.cdx.json"),
    Array(2).fill("vmlinux-arm64.cdx.json"),
  ]);
  // Only what stands at the end says what a file is.
  expect(sbomAsset("my.elf-amd64-x-rootfs.ext4.zst")).toBe("my.elf-amd64-x-rootfs.cdx.json");
});

it("is refused with the words that it may not have", () => {
  expect(nameError("preset", "base")).toMatch(
    /none of them base, initramfs, kernel, vmlinux, vmlinuz, amd64, arm64$/,
  );
});

it.each(["a", "codex", "claude-code", "a1-2b", "gpt5"])("%s is a name", (text) => {
  expect(nameError("preset", text)).toBeUndefined();
});

it.each(["", "Codex", "a_b", "-a", "a-", "a--b", "9a", "a/b", "a.b", "a b", "a\n", "ü", "__proto__"])(
  "%j is no name",
  (text) => {
    expect(nameError("preset", text)).toContain(`preset "${text}"`);
  },
);

it.each(["base", "my-kernel", "vmlinux", "x-amd64", "arm64-x"])(
  "%s is no name, as ids already use its words",
  (text) => {
    expect(nameError("flavor", text)).toContain(`flavor "${text}"`);
  },
);
