import type { Rule } from "./rule.ts";

/** What the scripts of Alpine's packages make, and what makes a first root file system of packages. */
export const ALPINE: readonly Rule[] = [
  {
    by: "apk-tools",
    paths: /^(usr\/)?lib\/apk\/db\/(installed|lock|triggers|scripts\.tar(\.gz)?)$/,
    reason: "apk's database",
  },
  { by: "apk-tools", paths: /^etc\/apk\/(arch|repositories|world)$/, reason: "apk's settings" },
  {
    by: "alpine-baselayout",
    paths: /^etc\/(alpine-release|issue|os-release|secfixes\.d\/alpine)$/,
    reason: "the release, written when the root file system was made",
  },
  {
    by: "busybox",
    paths: /^((usr\/)?s?bin|linuxrc$)(\/[^/]+)?$/,
    target: /^\/(usr\/)?bin\/(busybox|bbsuid)$/,
    reason: "busybox --install: a link for each of its commands",
  },
  {
    by: "ca-certificates",
    paths: /^etc\/ssl\/certs\/ca-certificates\.crt$/,
    reason: "update-ca-certificates: all authorities in one file",
    only: "images with the package ca-certificates",
  },
  {
    by: "ca-certificates",
    paths: /^etc\/ssl\/certs\/([^/]+\.pem|[0-9a-f]{8}(\.\d+)?)$/,
    target: /^(\/usr\/share\/ca-certificates\/.+|[^/]+\.pem)$/,
    reason: "update-ca-certificates: links to the authorities",
    only: "images with the package ca-certificates",
  },
];
