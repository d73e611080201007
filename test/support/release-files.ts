import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import type { Manifest } from "../../pipeline/schema/manifest.ts";
import { assetOf } from "./assets.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A packed file, as the pipeline packs. */
export const packed = (bytes: Buffer): Buffer =>
  spawnSync("zstd", ["-q", "-3", "--long=27", "-c"], { input: bytes, maxBuffer: 1 << 29 }).stdout;

/** A file system of `mib` MiB: bytes that nothing packs, and twice as many zeros. */
export const rootfsBytes = (mib: number): Buffer => {
  const third = (mib << 20) / 3;
  return Buffer.concat([randomBytes(Math.floor(third)), Buffer.alloc(Math.ceil(2 * third))]);
};

/** A small release: what its files are called, what they hold, and the manifest that says so. */
export class ReleaseFiles {
  readonly kernel = Buffer.from("a kernel ".repeat(1000));
  readonly rootfs: Buffer;
  readonly files: ReadonlyMap<string, Buffer>;
  readonly manifest: Manifest;

  constructor(address: string, tag = "images-v1", rootfs = rootfsBytes(3)) {
    this.rootfs = rootfs;
    const wire = packed(rootfs);
    const bareBase = Buffer.from("a base");
    const base = packed(bareBase);
    this.files = new Map([
      ["vmlinux-amd64.image", this.kernel],
      ["codex-amd64-ubuntu-rootfs.ext4.zst", wire],
      ["base-amd64-rootfs.ext4.zst", base],
    ]);
    const url = (name: string) => `${address}/${tag}/${name}`;
    const kernel = { url: url("vmlinux-amd64.image"), sha256: sha256(this.kernel) };
    const row = (name: string, bytes: Buffer) => ({
      rootfs_url: url(name),
      rootfs_sha256: sha256(bytes),
    });
    this.manifest = {
      schema_version: 1,
      tag,
      repository: "example/images",
      kernels: [{ arch: "amd64", format: "image", ...kernel }],
      bases: [{ flavor: "ubuntu", arch: "amd64", ...row("base-amd64-rootfs.ext4.zst", base) }],
      images: [
        {
          ...{ preset: "codex", arch: "amd64", vmm: "qemu", flavor: "ubuntu" },
          ...{ kernel_url: kernel.url, kernel_sha256: kernel.sha256 },
          ...row("codex-amd64-ubuntu-rootfs.ext4.zst", wire),
        },
      ],
      assets: {
        "base-amd64-rootfs.ext4.zst": assetOf("base-amd64-rootfs.ext4.zst", base, bareBase),
        "codex-amd64-ubuntu-rootfs.ext4.zst": assetOf("codex-amd64-ubuntu-rootfs.ext4.zst", wire, rootfs),
        "vmlinux-amd64.image": assetOf("vmlinux-amd64.image", this.kernel),
      },
      refused: [{ preset: "codex", flavor: "void", reason: "it needs glibc" }],
    };
  }
}
