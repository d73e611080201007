import {
  AlpineBaseContributor,
  type App,
  BaseRootfs,
  Flavor,
  Kernel,
  npm,
  PackerBundle,
  PresetLayer,
  Release,
  uv,
} from "../../../pipeline/constructs/index.ts";

/**
 * The tree that tests are about: every kind of construct, on three flavors, with refusals. It stays as it is when the
 * project's own `pipeline/images.ts` changes. `files.ts` beside it has the files that it reads.
 */
export const IMAGES_RELEASE_TAG = "images-v7.0.0";
const SNAPSHOT = "20261120T000000Z";
const NODE = "24.21.0";
const digest = (digit: string) => `@sha256:${digit.repeat(64)}`;

export function declareImages(app: App): void {
  const release = new Release(app, "sample", {
    tag: IMAGES_RELEASE_TAG,
    repository: "example/images",
    archs: ["amd64", "arm64"],
    vmms: ["firecracker", "qemu", "libkrun"],
    defaultFlavor: "ubuntu",
    newestFile: "2026-10-05T00:00:00Z",
    accepts: ["apk=unrecorded"],
  });

  const ubuntu = Flavor.ubuntu({
    version: "24.04",
    image: `ubuntu:24.04${digest("1")}`,
    snapshot: SNAPSHOT,
  });
  const alpine = Flavor.alpine({ version: "3.24", image: `alpine:3.24${digest("2")}` });
  const debian = Flavor.debian({
    version: "13",
    suite: "trixie",
    image: `debian:trixie-slim${digest("3")}`,
    snapshot: SNAPSHOT,
  });

  new Kernel(release, "kernel", {
    source: { package: "linux-source-6.12", version: "6.12.115-1" },
    buildOn: debian,
    boots: ["debian", "alpine"],
  });

  const packages = ["bash", "ca-certificates", "openssh-server"];
  new BaseRootfs(release, "base-ubuntu", {
    flavor: ubuntu,
    packages,
    node: NODE,
    uv: `uv:0.12.16${digest("4")}`,
    diskMib: 4096,
    budget: { contentMb: 600, assetMb: 160 },
  });
  new BaseRootfs(release, "base-alpine", {
    flavor: alpine,
    packages: [...packages, "nodejs"],
    node: NODE,
    diskMib: 2048,
    budget: { contentMb: 350, assetMb: 110 },
  });
  new BaseRootfs(release, "base-debian", {
    flavor: debian,
    packages,
    node: NODE,
    diskMib: 4096,
    budget: { contentMb: 450, assetMb: 125 },
    published: false,
  });

  new PresetLayer(release, "codex", {
    install: npm("@openai/codex", { binary: "@openai/codex-linux-*/vendor/*/bin/codex" }),
    check: ["codex", "--version"],
    budget: { contentMb: 460, assetMb: 125 },
  });
  new PresetLayer(release, "claude-code", {
    install: npm("@anthropic-ai/claude-code"),
    check: ["claude", "--version"],
  });
  new PresetLayer(release, "pi", {
    install: npm("@mariozechner/pi-coding-agent"),
    check: ["pi", "--version"],
  });
  new PresetLayer(release, "openclaw", {
    install: npm("openclaw"),
    check: ["openclaw", "--version"],
    refuses: {
      alpine: { reason: "its native parts ship as glibc prebuilts only", since: IMAGES_RELEASE_TAG },
    },
  });
  new PresetLayer(release, "hermes", {
    install: uv({
      repository: "https://git.example/hermes-agent",
      commit: "5".repeat(40),
      extras: ["all"],
    }),
    check: ["hermes", "--version"],
    refuses: {
      alpine: "many of its Python dependencies are manylinux (glibc) wheels only",
      debian: "it is installed with uv, which the Debian base does not have",
    },
  });

  new PackerBundle(app, "box", { version: "3.24.2", contributors: [new AlpineBaseContributor()] });
}
