import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { copyDisk, growDisk } from "../../../pipeline/client/machines/disk.ts";
import {
  defaultFlavor,
  findBase,
  findImage,
  findKernel,
  NotOffered,
} from "../../../pipeline/client/manifest.ts";
import { fileOf, mirrorsOf } from "../../../pipeline/client/mirrors.ts";
import { readPublicKey } from "../../../pipeline/client/public-key.ts";
import { assetNames } from "../../../pipeline/schema/kinds/index.ts";
import { filesOf, type Manifest } from "../../../pipeline/schema/manifest.ts";
import {
  ARCHS,
  assetNameOf,
  assetUrl,
  KERNEL_FORMATS,
  kernelAsset,
  kernelFormatOf,
  VMMS,
} from "../../../pipeline/schema/names.ts";
import { hostArch } from "../../../pipeline/vm/accel.ts";
import { tempDirectory } from "../../support/run.ts";

const TAG = "images-v1";
const hash = (text: string) => Buffer.from(text.padEnd(32, ".").slice(0, 32)).toString("hex");
const at = (asset: string) => ({ url: assetUrl("a/b", TAG, asset), sha256: hash(asset), ...SIZES(asset) });
const SIZES = (asset: string) => ({
  size: asset.length,
  image: { sha256: hash(`in ${asset}`), size: 9 * asset.length, contentSize: 5 * asset.length },
});
/** What the manifest's `assets` have of each file that its rows name. */
const assetsOf = (rows: Parameters<typeof filesOf>[0]): Manifest["assets"] =>
  Object.fromEntries(
    filesOf(rows).map(({ url, sha256 }) => {
      const name = assetNameOf(url);
      const { size, image } = SIZES(name);
      const sizes = { image_sha256: image.sha256, image_size: image.size, content_size: image.contentSize };
      return [name, { sha256, size, ...sizes, sbom: { asset: "x.cdx.json", sha256: hash("x"), size: 1 } }];
    }),
  );

/** A manifest in which codex is on two flavors, and pi on one; every file has bytes of its own. */
function manifest(): Manifest {
  const kernels = ARCHS.flatMap((arch) =>
    KERNEL_FORMATS.map((format) => {
      const { url, sha256 } = at(kernelAsset(arch, format));
      return { arch, format, url, sha256 };
    }),
  );
  const rootfs = (asset: string) => {
    const { url, sha256 } = at(asset);
    return { rootfs_url: url, rootfs_sha256: sha256 };
  };
  const offered = [
    ["codex", "ubuntu"],
    ["codex", "alpine"],
    ["pi", "ubuntu"],
  ] as const;
  const rows = {
    ...{ schema_version: 1 as const, tag: TAG, repository: "a/b", kernels },
    bases: ARCHS.flatMap((arch) =>
      ["ubuntu", "alpine"].map((flavor) => ({ flavor, arch, ...rootfs(`base-${arch}-${flavor}`) })),
    ),
    images: offered.flatMap(([preset, flavor]) =>
      ARCHS.flatMap((arch) =>
        VMMS.map((vmm) => {
          const { url, sha256 } = at(kernelAsset(arch, kernelFormatOf(vmm, arch)));
          return {
            ...{ preset, arch, vmm, flavor, kernel_url: url, kernel_sha256: sha256 },
            ...rootfs(`${preset}-${arch}-${flavor}`),
          };
        }),
      ),
    ),
  };
  return { ...rows, assets: assetsOf(rows), refused: REFUSED };
}

const REFUSED = [
  { preset: "codex", flavor: "void", reason: "it needs glibc (since images-v1)" },
  { preset: "pi", flavor: "alpine", reason: "another reason" },
];

describe("what a user asks for", () => {
  it("is one image: its own root file system, and the kernel that the VMM starts", async () => {
    const query = { preset: "codex", arch: "arm64", vmm: "qemu", flavor: "alpine" } as const;
    expect(await findImage(manifest(), query)).toEqual({
      ...{ kernel: at("vmlinux-arm64.image"), rootfs: at("codex-arm64-alpine"), flavor: "alpine" },
    });
    const elf = await findImage(manifest(), { ...query, arch: "amd64", vmm: "firecracker" });
    expect(elf).toEqual({
      ...{ kernel: at("vmlinux-amd64.elf"), rootfs: at("codex-amd64-alpine"), flavor: "alpine" },
    });
  });

  it("is for this machine, QEMU and Ubuntu, unless it says otherwise", async () => {
    const [image, base] = [await findImage(manifest(), { preset: "pi" }), findBase(manifest(), {})];
    expect(image.rootfs).toEqual(at(`pi-${hostArch()}-ubuntu`));
    expect(base.rootfs).toEqual(at(`base-${hostArch()}-ubuntu`));
    expect([image.kernel, base.kernel]).toEqual(Array(2).fill(at(`vmlinux-${hostArch()}.image`)));
    expect([image.flavor, base.flavor]).toEqual(["ubuntu", "ubuntu"]);
  });

  it("has the kernel's image for every VMM on arm64, where none of them starts an ELF", async () => {
    const query = { arch: "arm64", vmm: "firecracker", flavor: "ubuntu" } as const;
    expect((await findImage(manifest(), { preset: "pi", ...query })).kernel).toEqual(
      at("vmlinux-arm64.image"),
    );
    expect(findBase(manifest(), query).kernel).toEqual(at("vmlinux-arm64.image"));
    expect(findBase(manifest(), { ...query, arch: "amd64" }).kernel).toEqual(at("vmlinux-amd64.elf"));
    expect(findBase(manifest(), { ...query, vmm: "libkrun" }).kernel).toEqual(at("vmlinux-arm64.image"));
  });

  it("has files of unknown size, where the manifest has nothing more of them", async () => {
    const { kernel, rootfs } = findImage(
      { ...manifest(), assets: {} },
      { preset: "pi", arch: "amd64", vmm: "qemu" },
    );
    const unknown = { size: undefined, image: undefined };
    expect(kernel).toEqual({ ...at("vmlinux-amd64.image"), ...unknown });
    expect(rootfs).toEqual({ ...at("pi-amd64-ubuntu"), ...unknown });
  });
});

describe("what is not there is answered with what is", () => {
  const errorOf = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  const image = (query: object, from = manifest()) =>
    errorOf(() =>
      findImage(from, { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu", ...query }),
    );

  it("a preset", async () => {
    expect(await image({ preset: "claude" })).toBe('images-v1 has no preset "claude"; it has: codex, pi');
  });

  it("a flavor, with the manifest's reason where there is one", async () => {
    expect(await image({ flavor: "fedora" })).toBe(
      "codex is not offered on fedora at images-v1; it is offered on ubuntu, alpine",
    );
    expect(await image({ flavor: "void" })).toBe(
      "codex is not offered on void: it needs glibc (since images-v1); it is offered on ubuntu, alpine",
    );
    expect(await image({ preset: "pi", flavor: "alpine" })).toBe(
      "pi is not offered on alpine: another reason; it is offered on ubuntu",
    );
  });

  it("an arch or a VMM", async () => {
    const images = manifest().images.filter(({ arch, vmm }) => arch === "arm64" && vmm !== "libkrun");
    expect(await image({}, { ...manifest(), images })).toBe(
      "images-v1 has no codex on ubuntu for amd64 and qemu; it has: arm64 for firecracker, arm64 for qemu",
    );
  });

  it("a base", async () => {
    expect(await errorOf(() => findBase(manifest(), { arch: "arm64", flavor: "fedora" }))).toBe(
      "images-v1 has no fedora base for arm64; it has: ubuntu for amd64, alpine for amd64, ubuntu for arm64, alpine for arm64",
    );
  });

  it("anything at all", async () => {
    const empty = { ...manifest(), images: [], bases: [], kernels: [] };
    const other = /; give another manifest with --manifest$/;
    expect(await image({}, empty)).toMatch(/^images-v1 has no images; /);
    expect(await image({}, empty)).toMatch(other);
    expect(await errorOf(() => findBase(empty, { arch: "amd64" }))).toMatch(other);
    expect(await errorOf(() => findKernel(empty, "amd64", "elf"))).toMatch(
      /^images-v1 has no kernel for amd64 \(elf\); give another/,
    );
  });
});

describe("what is not there comes with the cells that make it", () => {
  const cellsOf = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      expect(error).toBeInstanceOf(NotOffered);
      return [(error as NotOffered).name, ...(error as NotOffered).cells];
    }
    return undefined;
  };
  const other = { arch: "arm64", flavor: "fedora" } as const;
  const without = (arch: string) => ({
    kernels: manifest().kernels.filter((kernel) => kernel.arch !== arch),
  });

  it("alone, where the arch has a kernel", () => {
    expect(cellsOf(() => findBase(manifest(), other))).toEqual(["NotOffered", "base-arm64-fedora"]);
    expect(cellsOf(() => findImage(manifest(), { ...other, preset: "pi" }))).toEqual([
      ...["NotOffered", "pi-arm64-fedora"],
    ]);
  });

  it("after the kernel, where the arch has none", () => {
    const bare = { ...manifest(), ...without("arm64") };
    expect(cellsOf(() => findBase(bare, other))).toEqual(["NotOffered", "kernel-arm64", "base-arm64-fedora"]);
    expect(cellsOf(() => findImage(bare, { ...other, preset: "pi" }))).toEqual([
      ...["NotOffered", "kernel-arm64", "pi-arm64-fedora"],
    ]);
    expect(cellsOf(() => findKernel(bare, "arm64", "elf"))).toEqual(["NotOffered", "kernel-arm64"]);
  });

  it("of the asked preset and flavor alone", () => {
    const images = manifest().images.filter(({ arch, flavor }) => arch === "arm64" || flavor === "alpine");
    const errorOf = (query: object) => {
      try {
        findImage(
          { ...manifest(), images },
          { preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu", ...query },
        );
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(errorOf({})).toBe(
      "images-v1 has no codex on ubuntu for amd64 and qemu; it has: arm64 for firecracker, arm64 for qemu, arm64 for libkrun",
    );
    expect(errorOf({ preset: "pi", flavor: "alpine" })).toBe(
      "pi is not offered on alpine: another reason; it is offered on ubuntu",
    );
  });
});

it("the flavor that is meant where none is said is the one whose base has no flavor in its name", () => {
  const named = (flavor: string) => ({
    ...manifest(),
    bases: manifest().bases.map((base) => ({
      ...base,
      rootfs_url: assetUrl(
        "a/b",
        TAG,
        assetNames({ kind: "base", arch: base.arch, flavor: base.flavor }, flavor)[0]!,
      ),
    })),
  });
  expect([defaultFlavor(named("alpine")), defaultFlavor(named("ubuntu"))]).toEqual(["alpine", "ubuntu"]);
  // Where no base is, it is this package's.
  expect(defaultFlavor({ ...manifest(), bases: [] })).toBe("ubuntu");
  expect(findBase(named("alpine"), { arch: "amd64" }).flavor).toBe("alpine");
});

describe("a mirror", () => {
  it.each([
    ["/srv/mirror", { kind: "path", path: "/srv/mirror/x" }],
    ["/srv/mirror///", { kind: "path", path: "/srv/mirror/x" }],
    ["file:///srv/mirror", { kind: "path", path: "/srv/mirror/x" }],
    ["https://m.example/a/", { kind: "address", url: "https://m.example/a/x" }],
    ["https://m.example", { kind: "address", url: "https://m.example/x" }],
    ["https://m.example/a//?key=1", { kind: "address", url: "https://m.example/a/x?key=1" }],
  ])("at %s has its files below that", async (given, place) => {
    const [mirror] = await mirrorsOf([given]);
    expect(fileOf(mirror!, "x")).toEqual(place);
  });

  it("is no file, and may be a disk that is not mounted today", async () => {
    const path = join(tempDirectory(), "x");
    expect(await mirrorsOf([path])).toHaveLength(1);
    writeFileSync(path, "");
    await expect(mirrorsOf([path])).rejects.toThrow(`--mirror ${path} is a file: give the directory`);
    await expect(mirrorsOf(["ftp://m.example"])).rejects.toThrow(/^--mirror "ftp:\/\/m\.example"/);
  });
});

describe("a key that is let in", () => {
  const ED25519 = `ssh-ed25519 ${"A".repeat(68)} me@here`;
  it.each([
    ED25519,
    `ssh-rsa ${"AAAA".repeat(9)}==`,
    `ecdsa-sha2-nistp256 ${"AAAA".repeat(9)}= x y`,
    `sk-ssh-ed25519@openssh.com ${"A/+0".repeat(9)}`,
  ])("may be given as text: %s", async (text) => {
    expect(await readPublicKey(`${text}\n`)).toEqual({ text, path: undefined });
  });

  it.each([
    "ssh-dss AAAA",
    "ssh-ed25519 ",
    "ssh-ed25519 ????",
    `ssh-ed25519 AAAA=x`,
    `${ED25519}\nssh-rsa AAAA`,
    "sk-x ?",
    "ecdsa-sha2-nistp256\tAAAA",
  ])("is refused as text that is none: %j", async (text) => {
    await expect(readPublicKey(text)).rejects.toThrow(
      /^the key is not an SSH public key \(.*\): .*ends in \.pub$/,
    );
  });

  it("may be given as a file, also below one's home, and with spaces in its path", async () => {
    const directory = tempDirectory();
    // A way there that begins at home.
    const fromHome = relative(homedir(), directory);
    writeFileSync(join(directory, "key.pub"), `${ED25519}\n`);
    writeFileSync(join(directory, "my key.pub"), ED25519);
    for (const name of ["key.pub", "my key.pub"]) {
      const path = join(directory, name);
      expect(await readPublicKey(path)).toEqual({ text: ED25519, path });
      expect(await readPublicKey(`~/${fromHome}/${name}`)).toEqual({
        ...{ text: ED25519, path: `${homedir()}/${fromHome}/${name}` },
      });
    }
  });

  it("is named when the file has none, or cannot be read", async () => {
    const path = join(tempDirectory(), "key");
    await expect(readPublicKey(path)).rejects.toThrow(
      `cannot read the key ${path} (no such file or directory): give the file that ends in .pub`,
    );
    await expect(readPublicKey("")).rejects.toThrow('cannot read the key ""');
    await expect(readPublicKey("./no such key")).rejects.toThrow("cannot read the key ./no such key");
    await expect(readPublicKey("../no such key")).rejects.toThrow("cannot read the key ../no such key");
    // What only resembles a key is taken for a file, and so named.
    for (const text of [`x ${ED25519}`, "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-key.pub"]) {
      await expect(readPublicKey(text)).rejects.toThrow(`cannot read the key ${text} (no such file`);
    }
    await expect(readPublicKey("a~/x")).rejects.toThrow("cannot read the key a~/x");
    writeFileSync(path, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    await expect(readPublicKey(path)).rejects.toThrow(`${path} is not an SSH public key`);
  });
});

describe("a machine's own disk", () => {
  it("is a copy with the same bytes and holes, and the image stays as it is", async () => {
    const directory = tempDirectory();
    const [image, disk] = [join(directory, "image"), join(directory, "disk")];
    writeFileSync(image, "begins");
    truncateSync(image, 64 << 20);
    await copyDisk(image, disk);
    writeFileSync(disk, "changed", { flag: "r+" });
    expect(readFileSync(image).subarray(0, 6).toString()).toBe("begins");
    expect(statSync(disk).size).toBe(64 << 20);
    expect(statSync(disk).blocks * 512).toBeLessThan(1 << 20);
  });

  it("that cannot be copied, or is no ext4, is said by the tool that failed", async () => {
    const path = join(tempDirectory(), "disk");
    await expect(copyDisk(`${path}.none`, path)).rejects.toThrow(/^cp failed: .*No such file/);
    writeFileSync(path, "no file system");
    await expect(growDisk(path, 8)).rejects.toThrow(/^resize2fs failed: \S/);
    // It has been made as large as it was to be: mebibytes.
    expect(statSync(path).size).toBe(8 << 20);
  });
});
