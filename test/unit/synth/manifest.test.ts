import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseManifest } from "../../../pipeline/client/parse-manifest.ts";
import { Manifest } from "../../../pipeline/schema/manifest.ts";
import { DIGESTS_PATH } from "../../../pipeline/schema/recorded-digests.ts";
import { checkField, renamedManifest, withBasePreset } from "../../../pipeline/synth/manifest-names.ts";
import { marker } from "../../../pipeline/synth/marker.ts";
import { PUBLISHED_IMAGES_PATH, publishedImages } from "../../../pipeline/synth/published-images.ts";
import { cellsOf, synth } from "../../../pipeline/synth/synth.ts";
import { assetOf } from "../../support/assets.ts";
import { IMAGES_RELEASE_TAG } from "../../support/sample/images.ts";
import { sampleApp } from "../../support/tree.ts";

const { cells } = cellsOf(synth(sampleApp()));

/** Where the table of an asset's frames is, of each something of its own. */
const framesOf = (asset: string) => ({ offset: asset.length, size: 56, sha256: "a".repeat(64) });

/** What is recorded of these assets, of each something of its own. */
const recorded = (names: readonly string[]) =>
  Object.fromEntries(
    names.map((asset) => {
      const more = asset.endsWith(".zst") ? { content_size: asset.length, frames: framesOf(asset) } : {};
      const known = assetOf(asset, Buffer.from(asset), Buffer.from(`in ${asset}`));
      return [asset, { ...known, ...more, proven: ["qemu-pci"], inputs: "0".repeat(64) }];
    }),
  );
const assets = recorded(cells.filter((cell) => cell.published).flatMap((cell) => cell.assets));
const complete = { schema_version: 2, tag: IMAGES_RELEASE_TAG, assets };

/** The text of the manifest that synth makes where `lock` is recorded. */
const textWith = (lock?: unknown) =>
  synth(sampleApp(lock === undefined ? {} : { [DIGESTS_PATH]: JSON.stringify(lock) })).get(
    "out/manifest.json",
  )!;
const manifestWith = (lock?: unknown) => Manifest.parse(JSON.parse(textWith(lock)));

describe("the manifest", () => {
  const manifest = manifestWith(complete);
  /** Every address in it with the digest beside it. */
  const files = [
    ...manifest.kernels.map((row) => ({ url: row.url, sha256: row.sha256 })),
    ...[...manifest.bases, ...manifest.images].map((row) => ({
      url: row.rootfs_url,
      sha256: row.rootfs_sha256,
    })),
    ...manifest.images.map((row) => ({ url: row.kernel_url, sha256: row.kernel_sha256 })),
  ];
  const REFUSED = [
    { preset: "openclaw", flavor: "alpine", reason: expect.stringContaining("glibc") },
    { preset: "hermes", flavor: "alpine", reason: expect.stringContaining("manylinux") },
    { preset: "hermes", flavor: "debian", reason: expect.stringContaining("uv") },
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
      assets: {},
      refused: REFUSED,
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

  it("has rows of exactly these fields: a strict reader refuses any other", () => {
    const fieldsOf = (rows: readonly object[]) => new Set(rows.map((row) => Object.keys(row).join(" ")));
    expect(fieldsOf(manifest.kernels)).toEqual(new Set(["arch format url sha256"]));
    expect(fieldsOf(manifest.bases)).toEqual(new Set(["flavor arch rootfs_url rootfs_sha256"]));
    expect(fieldsOf(manifest.images)).toEqual(
      new Set(["preset arch vmm flavor kernel_url kernel_sha256 rootfs_url rootfs_sha256"]),
    );
    expect(fieldsOf(manifest.refused)).toEqual(new Set(["preset flavor reason"]));
  });

  it("has the sizes and the content of each file that a row names, as recorded, and of no other", () => {
    const expected = Object.entries(assets).map(([name, { inputs: _, ...known }]) => [name, known]);
    expect(manifest.assets).toEqual(Object.fromEntries(expected));
    expect(Object.keys(manifest.assets)).toEqual(Object.keys(assets).sort());
  });

  it("says why a preset is refused on a flavor, and since when", () => {
    expect(manifest.refused).toEqual(REFUSED);
    const [{ preset, flavor, reason }] = manifest.refused as [Manifest["refused"][number]];
    expect(cellsOf(synth(sampleApp())).refused[preset]![flavor]).toBe(reason);
    expect(reason).toContain(`(since ${IMAGES_RELEASE_TAG})`);
  });

  it("has every address at the tag, with the digest recorded for that very asset", () => {
    const prefix = `https://github.com/example/images/releases/download/${IMAGES_RELEASE_TAG}/`;
    expect(files).toHaveLength(4 + 4 + 48 + 48);
    for (const { url, sha256 } of files) {
      expect(url.startsWith(prefix)).toBe(true);
      expect(sha256).toBe(assets[url.slice(prefix.length)]!.sha256);
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
    const { kernels, bases, images, assets: none } = manifestWith({ ...complete, tag: "images-v0.0.1" });
    expect([kernels, bases, images, none]).toEqual([[], [], [], {}]);
  });

  it("never offers what is only built locally, even where digests of it are recorded", () => {
    const everything = { ...complete, assets: recorded(cells.flatMap((cell) => cell.assets)) };
    const { bases, images, assets: named } = manifestWith(everything);
    expect(images).toHaveLength(48);
    expect(Object.keys(named).filter((name) => name.includes("debian"))).toEqual([]);
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

it("digests that an earlier version recorded, without the unpacked images, are to be recorded again", () => {
  const { image_sha256: _, image_size: __, sbom: ___, ...old } = Object.values(assets)[0]!;
  const lock = { ...complete, schema_version: 1, assets: { [Object.keys(assets)[0]!]: old } };
  expect(() => textWith(lock)).toThrow(
    /^images\.lock\.json does not .*: an earlier version wrote it: delete it, and run `npx smolvm-images release publish`/,
  );
});

describe("what clients accept", () => {
  const manifest: Manifest = JSON.parse(textWith(complete));
  const parse = (value: object) => () => parseManifest(JSON.stringify(value), "the manifest", "give another");

  it("is what synth writes", () => {
    expect(parse(manifest)()).toEqual(manifest);
  });

  it("is no manifest of a later version, which is said, or of the shape before this one", () => {
    expect(parse({ ...manifest, schema_version: 2, further: 1 })).toThrow(
      /^the manifest is a manifest of version 2, and this program reads version 1: install a version/,
    );
    const { assets: _, refused: __, ...before } = manifest;
    const kernels = manifest.kernels.map((row) => ({ ...row, size: 1 }));
    expect(parse({ ...before, kernels })).toThrow(
      /^the manifest is not a valid manifest \(kernels\[0\]: Unrecognized key: "size"; .*\): give another$/,
    );
  });

  it("is no manifest that contradicts itself", () => {
    const [name, asset] = Object.entries(manifest.assets)[0]!;
    const wrong = { ...manifest.assets, [name]: { ...asset, sha256: "e".repeat(64) } };
    expect(parse({ ...manifest, assets: wrong })).toThrow(
      `(the sha256 of ${name} is ${"e".repeat(64)} in assets, and ${asset.sha256} in a row): give another`,
    );
  });
});

describe("the rows as a Python module", () => {
  /** Compiles a module, runs it, and prints its tables as JSON. Its rows must be what a strict model takes. */
  const READ = `
import ast, dataclasses, json, sys
source = sys.stdin.read()
imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
names = {}
exec(compile(source, "published_images.py", "exec"), names)
flavor = sys.argv[1]
strict = dataclasses.make_dataclass("Strict", ["preset", "arch", "vmm", flavor, "kernel_url", "kernel_sha256",
    "rootfs_url", "rootfs_sha256"], frozen=True)
rows = [dataclasses.asdict(strict(**row)) for row in names["MANIFEST"].values()]
print(json.dumps({"rows": rows, "keys": list(names["MANIFEST"]), "kernels": names["BASE_KERNELS"],
    "tag": names["IMAGES_RELEASE_TAG"], "imports": [node.module for node in imports]}))
`;
  const read = (source: string, flavor = "flavor") => {
    const { stdout, stderr, status } = spawnSync("python3", ["-c", READ, flavor], {
      input: source,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    return JSON.parse(stdout);
  };
  const outputWith = (lock?: unknown) =>
    synth(sampleApp(lock === undefined ? {} : { [DIGESTS_PATH]: JSON.stringify(lock) }));
  const moduleWith = (lock?: unknown) => outputWith(lock).get(PUBLISHED_IMAGES_PATH)!;
  const manifest = manifestWith(complete);

  it("begins with the mark, and has the rows of the JSON by preset, arch, VMM and flavor", () => {
    const text = moduleWith(complete);
    expect(text.split("\n")[0]).toBe(marker("#"));
    const { rows, keys, tag, imports } = read(text);
    expect(rows).toEqual(manifest.images);
    expect(keys).toEqual(manifest.images.map(({ preset, arch, vmm, flavor }) => [preset, arch, vmm, flavor]));
    expect([tag, imports]).toEqual([IMAGES_RELEASE_TAG, ["typing"]]);
  });

  it("has both formats of each arch's kernel", () => {
    const of = (arch: string, format: string) =>
      manifest.kernels.find((row) => row.arch === arch && row.format === format)!;
    const expected = ["amd64", "arm64"].map((arch) => {
      const [elf, image] = [of(arch, "elf"), of(arch, "image")];
      const urls = { elf_url: elf.url, elf_sha256: elf.sha256, image_url: image.url };
      return [arch, { arch, ...urls, image_sha256: image.sha256 }];
    });
    expect(read(moduleWith(complete)).kernels).toEqual(Object.fromEntries(expected));
    const { "vmlinux-arm64.elf": _, ...others } = assets;
    expect(Object.keys(read(moduleWith({ ...complete, assets: others })).kernels)).toEqual(["amd64"]);
  });

  it("has no rows while nothing is published", () => {
    expect(read(moduleWith())).toMatchObject({ rows: [], kernels: {}, tag: IMAGES_RELEASE_TAG });
  });

  it("has the names that SmolVM reads: `os`, and the default flavor's base as a preset", () => {
    const all = withBasePreset(manifest, cellsOf(outputWith(complete)), "ubuntu");
    const json = renamedManifest(all, "os");
    const { rows, keys } = read(publishedImages(all, { field: "os" }), "os");
    expect(rows).toEqual(json.images);
    expect(rows).toHaveLength(54);
    expect(rows.slice(0, 48)).toEqual(manifest.images.map(({ flavor: os, ...row }) => ({ ...row, os })));
    expect(keys).toContainEqual(["ubuntu", "arm64", "firecracker", "ubuntu"]);
    const base = manifest.bases.find(({ arch, flavor }) => arch === "arm64" && flavor === "ubuntu")!;
    const kernel = manifest.kernels.find(({ arch, format }) => arch === "arm64" && format === "image")!;
    expect(
      rows.find((row: Record<string, string>) => row.preset === "ubuntu" && row.arch === "arm64"),
    ).toEqual({
      ...{ preset: "ubuntu", arch: "arm64", vmm: "firecracker", os: "ubuntu" },
      ...{ kernel_url: kernel.url, kernel_sha256: kernel.sha256 },
      ...{ rootfs_url: base.rootfs_url, rootfs_sha256: base.rootfs_sha256 },
    });
    expect([json.bases, json.refused].flat().filter((row) => "flavor" in row || !("os" in row))).toEqual([]);
    expect(json.assets).toEqual(manifest.assets);
  });

  it("has no name for the field or the base that has another meaning", () => {
    for (const field of ["vmm", "rootfs_url", "Os", "", "a-b", "1"]) {
      expect(() => checkField(field)).toThrow(/^--field ".*" cannot be the name of the flavor's field: use/);
    }
    for (const field of ["os", "flavor", "dict"]) {
      checkField(field);
      expect(read(publishedImages(manifest, { field }), field).rows).toHaveLength(48);
    }
    const base = (name: string) => () => withBasePreset(manifest, cellsOf(outputWith(complete)), name);
    expect(base("codex")).toThrow('--base-preset: there is a preset "codex": give a name');
    expect(base("Ubuntu")).toThrow('--base-preset: preset "Ubuntu": a name is lower-case words');
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
