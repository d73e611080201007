import { existsSync } from "node:fs";
import { join } from "node:path";
import { BaseRootfs, type BaseRootfsProps } from "../../pipeline/constructs/base-rootfs.ts";
import { Flavor } from "../../pipeline/constructs/flavor.ts";
import type { Release } from "../../pipeline/constructs/release.ts";
import { REPOSITORY } from "./project.ts";
import { serveDirectory } from "./serve.ts";

/** A real Alpine root file system and signed package repository, beside the checkout where there is one. */
const DATA = join(REPOSITORY, "../shared/alpine");

export const ALPINE_TARBALL = {
  url: join(DATA, "alpine-minirootfs-3.19.4-x86_64.tar.gz"),
  sha256: "a2a87004e87720cbb0372c08b7de9b80748afdfd7fd72d2eab2ec0b074b92211",
};

export const hasAlpine = existsSync(ALPINE_TARBALL.url);
if (!hasAlpine) console.warn(`No Alpine data in ${DATA}: the Alpine flavor is not built and booted here.`);

/** An Alpine base with what the data has. */
export const alpineBase = (release: Release, props: Partial<BaseRootfsProps> = {}) =>
  new BaseRootfs(release, "base-alpine", {
    flavor: Flavor.alpine({ version: "3.19", tarballs: { amd64: ALPINE_TARBALL } }),
    packages: ["ca-certificates-bundle", "openssh-keygen", "openssh-server"],
    diskMib: 1024,
    ...props,
  });

/** Serves the packages: Alpine's mirrors have one repository per branch and component, the data is one. */
export const serveAlpine = () => serveDirectory(join(DATA, "repo"), /^\/v3\.19\/(main|community)\//);
