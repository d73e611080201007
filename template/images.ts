import { type App, BaseRootfs, Flavor, Kernel, Release } from "smolvm-images/constructs";
import * as pins from "./pins.ts";

/** The tag of the release that has all assets. Raise it to publish new images. */
export const IMAGES_RELEASE_TAG = "images-v0.0.1";
const REPOSITORY = "OWNER/NAME";
/** The instant (UTC) of Debian's dated archive that packages come from. It must be newer than the image. */
const APT_SNAPSHOT = "20261120T000000Z";

/** Declares what is published. `npm run synth` generates workflows, Dockerfiles and cells from it. */
export function declareImages(app: App): void {
  const release = new Release(app, "published", {
    tag: IMAGES_RELEASE_TAG,
    repository: REPOSITORY,
    archs: ["amd64", "arm64"],
    vmms: ["firecracker", "qemu", "libkrun"],
    defaultFlavor: "debian",
    newestFile: "2026-10-05T00:00:00Z",
  });

  const debian = Flavor.debian({
    version: "13",
    suite: "trixie",
    image: pins.DEBIAN_IMAGE,
    snapshot: APT_SNAPSHOT,
  });

  new Kernel(release, "kernel", { source: pins.LINUX_SOURCE, buildOn: debian, boots: ["debian"] });

  new BaseRootfs(release, "base-debian", {
    flavor: debian,
    packages: ["bash", "ca-certificates", "curl", "git", "iproute2", "openssh-server", "python3"],
    node: pins.NODE_GLIBC,
    diskMib: 4096,
  });
}
