import type { Declared, Pin, Resolver } from "./pin.ts";
import { actions } from "./pins/action.ts";
import { aptSnapshots } from "./pins/apt-snapshot.ts";
import { containerImages } from "./pins/container-image.ts";
import { distributions } from "./pins/distribution.ts";
import { gitCommits } from "./pins/git-commit.ts";
import { kernelSources } from "./pins/kernel-source.ts";
import { nodeAlpine } from "./pins/node-alpine.ts";
import { nodeGlibc } from "./pins/node-glibc.ts";
import { npmPackages } from "./pins/npm-package.ts";
import { packerBoxes } from "./pins/packer-box.ts";
import { releasePrograms } from "./pins/release-program.ts";
import { tarballs } from "./pins/tarball.ts";
import { toolsNpm } from "./pins/tools-npm.ts";

/** One for each kind of source, in the order in which tables show them. */
const RESOLVERS: readonly Resolver[] = [
  ...[npmPackages, gitCommits, distributions, containerImages, tarballs, aptSnapshots, kernelSources],
  ...[nodeGlibc, nodeAlpine, releasePrograms, packerBoxes, toolsNpm, actions],
];

/** Everything that a project pins, and that has a source that may have a newer one. */
export function pinsOf(declared: Declared): Pin[] {
  const pins = RESOLVERS.flatMap((resolver) => resolver(declared));
  // Two flavors, or two bases, may have the same pin.
  return [
    ...new Map(pins.toReversed().map((pin) => [`${pin.name} ${pin.pinned}`, pin])).values(),
  ].toReversed();
}
