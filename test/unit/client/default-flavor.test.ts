import { describe, expect, it } from "vitest";
import { bundledCells } from "../../../pipeline/client/bundled.ts";
import { defaultFlavor, findBase, findImage } from "../../../pipeline/client/manifest.ts";
import { assetNames } from "../../../pipeline/schema/kinds/index.ts";
import type { Manifest } from "../../../pipeline/schema/manifest.ts";
import { assetUrl } from "../../../pipeline/schema/names.ts";

/** A manifest with a base of each flavor, the first of them the default, and one preset on all. */
function manifestOf(flavors: readonly string[], byDefault = flavors[0]!): Manifest {
  const url = (name: string) => assetUrl("example/images", "images-v1", name);
  const arch = "amd64" as const;
  const rootfs = (flavor: string, name: string) => ({
    ...{ flavor, arch, rootfs_url: url(name), rootfs_sha256: "0".repeat(64) },
  });
  const kernel = { sha256: "1".repeat(64), url: url("vmlinux-amd64.image") };
  return {
    ...{ schema_version: 1, tag: "images-v1", repository: "example/images" },
    kernels: [{ arch, format: "image", ...kernel }],
    bases: flavors.map((flavor) => rootfs(flavor, assetNames({ kind: "base", arch, flavor }, byDefault)[0]!)),
    images: flavors.map((flavor) => ({
      ...rootfs(flavor, assetNames({ kind: "preset", preset: "codex", arch, flavor }, byDefault)[0]!),
      ...{ preset: "codex", vmm: "qemu" as const, kernel_url: kernel.url, kernel_sha256: kernel.sha256 },
    })),
    ...{ assets: {}, refused: [] },
  };
}

describe("the flavor that users get who ask for none", () => {
  const asked = { arch: "amd64", vmm: "qemu" } as const;

  it.each([
    ["alpine", ["alpine", "ubuntu"]],
    ["ubuntu", ["alpine", "ubuntu"]],
    ["fedora", ["fedora"]],
  ])("is %s, where its base has no flavor in its name, of %j", (flavor, flavors) => {
    const manifest = manifestOf(flavors, flavor);
    expect(defaultFlavor(manifest)).toBe(flavor);
    expect(findBase(manifest, asked)).toMatchObject({ flavor });
    expect(findImage(manifest, { ...asked, preset: "codex" })).toMatchObject({ flavor });
  });

  it("is the one that this package declares, where the manifest has no such base", () => {
    const { default_flavor: declared } = bundledCells();
    expect(defaultFlavor({ ...manifestOf(["alpine"]), bases: [] })).toBe(declared);
    expect(defaultFlavor(manifestOf(["alpine"], "another"))).toBe(declared);
  });

  it("is not asked for where one is named", () => {
    const manifest = manifestOf(["alpine", "ubuntu"]);
    expect(findBase(manifest, { ...asked, flavor: "ubuntu" }).flavor).toBe("ubuntu");
  });
});
