import type { PastRelease, Report, ReportedAsset } from "../../pipeline/release/report/report.ts";

const SHA = (digit: string) => digit.repeat(64);

const image = (what: string, flavor: string, arch: string, size: number): ReportedAsset => ({
  ...{ name: `${what}-${arch}-${flavor}-rootfs.ext4.zst`, what, flavor, arch },
  ...{ sha256: SHA(String(size % 10)), size: size * 1e6, contentSize: size * 3e6 },
  boot: { ms: size * 20, accel: "kvm" },
  proven: ["qemu-pci", "qemu-mmio"],
  from: what === "pi" ? "images-v0.0.2" : undefined,
  inventory: {
    asset: `${what}-${arch}-${flavor}-rootfs.cdx.json`,
    packages: [
      { type: "deb", name: "bash", version: "5.2.37", licenses: ["GPL-3.0-or-later"] },
      { type: "npm", name: `@openai/${what}`, version: `0.${size}.0`, licenses: ["Apache-2.0", "MIT"] },
    ],
    files: { "usr/bin/small": 1e6, "usr/bin/large": 200e6 },
  },
});

const ASSETS: ReportedAsset[] = [
  ...["ubuntu", "alpine"].flatMap((flavor, at) =>
    ["amd64", "arm64"].flatMap((arch) => [
      image("base", flavor, arch, 61 - 20 * at),
      image("codex", flavor, arch, 204 - 30 * at),
      image("pi", flavor, arch, 133 - 30 * at),
    ]),
  ),
  {
    ...{ name: "vmlinux-amd64.elf", what: "kernel", flavor: null, arch: "amd64" },
    ...{ sha256: SHA("e"), size: 18.9e6, contentSize: undefined, boot: undefined },
    ...{ proven: ["qemu-mmio"], from: undefined, inventory: undefined },
  },
];

const past = (tag: string, factor: number): PastRelease => ({
  tag,
  assets: Object.fromEntries(
    ASSETS.map(({ name, size, boot }) => [
      name,
      { size: Math.round(size * factor), boot: boot && { ...boot, ms: Math.round(boot.ms * factor) } },
    ]),
  ),
});

/** The report of a release with three presets' images on two flavors, and a kernel. */
export const sampleReport = (changes: Partial<Report> = {}): Report => ({
  tag: "images-v0.0.3",
  repository: "example/images",
  url: "https://github.com/example/images/releases/tag/images-v0.0.3",
  attested: true,
  assets: ASSETS,
  refused: [{ preset: "hermes", flavor: "alpine", reason: "its wheels are for glibc only" }],
  history: [past("images-v0.0.1", 1.2), past("images-v0.0.2", 1.1), past("images-v0.0.3", 1)],
  ...changes,
});
