import { Flavor } from "../../pipeline/constructs/flavor.ts";
import { Kernel } from "../../pipeline/constructs/kernel.ts";
import type { Release } from "../../pipeline/constructs/release.ts";
import { APT_SNAPSHOT } from "../../pipeline/images.ts";
import * as pins from "../../pipeline/pins.ts";

/** The flavor on which the published kernel is compiled. */
export const DEBIAN = Flavor.debian({
  ...{ version: "13", suite: "trixie", image: pins.DEBIAN_IMAGE },
  snapshot: APT_SNAPSHOT,
});

/** The published kernel in another release: the same inputs, so that it is compiled once for both. */
export const testKernel = (release: Release, boots: readonly string[], source = pins.LINUX_SOURCE) =>
  new Kernel(release, "kernel", { source, buildOn: DEBIAN, boots });
