import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Manifest } from "../../../pipeline/schema/manifest.ts";
import { DIGESTS_PATH } from "../../../pipeline/schema/recorded-digests.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { IMAGES_RELEASE_TAG } from "../../support/sample/images.ts";
import { sampleApp } from "../../support/tree.ts";

const { cells } = cellsOf(synth(sampleApp()));

/** Digests recorded for these assets, each its own. */
const recorded = (names: readonly string[]) =>
  Object.fromEntries(
    names.map((asset, index) => [
      asset,
      { sha256: index.toString(16).padStart(64, "0"), size: index + 1, inputs: "0".repeat(64) },
    ]),
  );
const assets = recorded(cells.filter((cell) => cell.published).flatMap((cell) => cell.assets));
const complete = { schema_version: 1, tag: IMAGES_RELEASE_TAG, assets };

/** The text of the manifest that synth makes where `lock` is recorded. */
const textWith = (lock?: unknown) =>
  synth(sampleApp(lock === undefined ? {} : { [DIGESTS_PATH]: JSON.stringify(lock) })).get(
    "out/manifest.json",
  )!;
const manifestWith = (lock?: unknown) => Manifest.parse(JSON.parse(textWith(lock)));

describe("the manifest", () => {
  const manifest = manifestWith(complete);
  /** Every address in it with the digest beside it, and the size where there is one. */
  const files = [
    ...manifest.kernels.map((row) => ({ url: row.url, sha256: row.sha256, size: row.size })),
    ...[...manifest.bases, ...manifest.images].map((row) => ({
      url: row.rootfs_url,
      sha256: row.rootfs_sha256,
      size: row.rootfs_size,
    })),
    ...manifest.images.map((row) => ({ url: row.kernel_url, sha256: row.kernel_sha256, size: undefined })),
  ];
  const rowsOf = (preset: string, { images } = manifest) => images.filter((row) => row.preset === preset);

  it("has no rows while nothing is recorded as published, and still says where they will be", () => {
    expect(manifestWith()).toEqual({
      schema_version: 1,
      tag: IMAGES_RELEASE_TAG,
      repository: "example/images",
      kernels: [],
      bases: [],
      images: [],
    });
  });

  it("has a row for each arch, vmm and flavor of a preset: 12 on both flavors, 6 on ubuntu alone", () => {
    const combinations = (preset: string) =>
      new Set(rowsOf(preset).map(({ arch, vmm, flavor }) => `${arch} ${vmm} ${flavor}`)).size;
    expect(rowsOf("codex")).toHaveLength(12);
    expect(combinations("codex")).toBe(12);
    expect(rowsOf("hermes")).toHaveLength(6);
    expect(combinations("hermes")).toBe(6);
    expect([manifest.images, manifest.bases, manifest.kernels].map((rows) => rows.length)).toEqual([
      48, 4, 4,
    ]);
  });

  it("has every address at the tag, with the digest and size recorded for that very asset", () => {
    const prefix = `https://github.com/example/images/releases/download/${IMAGES_RELEASE_TAG}/`;
    expect(files).toHaveLength(4 + 4 + 48 + 48);
    for (const { url, sha256, size } of files) {
      expect(url.startsWith(prefix)).toBe(true);
      const entry = assets[url.slice(prefix.length)];
      expect({ sha256, size: size ?? entry?.size }).toEqual({ sha256: entry?.sha256, size: entry?.size });
    }
  });

  it("names every published asset", () => {
    const named = new Set(files.map(({ url }) => url.split("/").at(-1)));
    expect([...named].sort()).toEqual(Object.keys(assets).sort());
  });

  it("gives each row the rootfs of its preset, arch and flavor, and the kernel of its arch and vmm", () => {
    for (const { preset, arch, vmm, flavor, ...row } of manifest.images) {
      expect(row.rootfs_url.split("/").at(-1)).toBe(`${preset}-${arch}-${flavor}-rootfs.ext4.zst`);
      const format = arch === "arm64" || vmm === "qemu" ? "image" : "elf";
      expect(row.kernel_url.split("/").at(-1)).toBe(`vmlinux-${arch}.${format}`);
    }
  });

  it("leaves out the rows of an asset that is not recorded: a rootfs, or the kernel it needs", () => {
    const without = (name: string) =>
      manifestWith({
        ...complete,
        assets: Object.fromEntries(Object.entries(assets).filter(([asset]) => asset !== name)),
      });
    expect(rowsOf("codex", without("codex-amd64-alpine-rootfs.ext4.zst"))).toHaveLength(9);
    expect(rowsOf("codex", without("vmlinux-amd64.elf"))).toHaveLength(8);
    // On arm64 every VMM starts the image.
    expect(rowsOf("codex", without("vmlinux-arm64.elf"))).toHaveLength(12);
    expect(rowsOf("codex", without("vmlinux-arm64.image"))).toHaveLength(6);
    expect(without("base-amd64-rootfs.ext4.zst").bases).toHaveLength(3);
  });

  it("has no rows from the digests of another tag", () => {
    const { kernels, bases, images } = manifestWith({ ...complete, tag: "images-v0.0.1" });
    expect([kernels, bases, images]).toEqual([[], [], []]);
  });

  it("never offers what is only built locally, even where digests of it are recorded", () => {
    const everything = { ...complete, assets: recorded(cells.flatMap((cell) => cell.assets)) };
    const { bases, images } = manifestWith(everything);
    expect(images).toHaveLength(48);
    expect([...bases, ...images].map(({ flavor }) => flavor)).not.toContain("debian");
  });

  it.each([
    ["is not JSON", "<<<<<<< HEAD"],
    ["is of another shape", { assets: [] }],
    ["holds half a digest", { ...complete, assets: { "vmlinux-amd64.elf": { sha256: "ab12", size: 1 } } }],
  ])("is not made from a lock that %s", (_, lock) => {
    const text = typeof lock === "string" ? lock : JSON.stringify(lock);
    expect(() => synth(sampleApp({ [DIGESTS_PATH]: text }))).toThrow(
      /^images\.lock\.json does not contain recorded digests \(.+\): restore it from git$/,
    );
  });
});

describe("the manifest's JSON Schema", () => {
  const schema = z.fromJSONSchema(JSON.parse(synth(sampleApp()).get("out/manifest.schema.json")!));
  const accepts = (value: unknown) => schema.safeParse(value).success;
  const manifest: Manifest = JSON.parse(textWith(complete));

  it("accepts what synth writes, with rows and without", () => {
    expect([accepts(manifest), accepts(JSON.parse(textWith()))]).toEqual([true, true]);
  });

  it.each<[string, (row: Manifest["images"][number]) => object]>([
    ["misses a digest", ({ rootfs_sha256: _, ...row }) => row],
    ["has a digest in capitals", (row) => ({ ...row, rootfs_sha256: "A".repeat(64) })],
    ["has a vmm that there is not", (row) => ({ ...row, vmm: "xen" })],
    ["has an address that is not https", (row) => ({ ...row, rootfs_url: "http://example.com/x" })],
    ["has a field that nobody knows", (row) => ({ ...row, extra: true })],
  ])("refuses a row that %s", (_, spoil) => {
    const [first, ...others] = manifest.images;
    expect(accepts({ ...manifest, images: [spoil(first!), ...others] })).toBe(false);
  });
});
