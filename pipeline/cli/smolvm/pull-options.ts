import { type Command, Option } from "commander";
import { bundledCells } from "../../client/bundled.ts";
import type { PullOptions } from "../../client/pull.ts";
import { DEFAULT_VMM } from "../../schema/defaults.ts";
import { flavorsOf, ofKind } from "../../schema/kinds/index.ts";
import { ARCHS, type Arch, VMMS, type Vmm } from "../../schema/names.ts";
import type { Run } from "../../util/progress.ts";
import { hostArch } from "../../vm/accel.ts";

/** The flags that select an image and its sources. */
export interface ImageFlags {
  readonly flavor?: string;
  readonly arch: Arch;
  readonly vmm: Vmm;
  readonly mirror?: readonly string[];
  readonly manifest?: string;
  readonly cache?: string;
}

export const MANIFEST = [
  "--manifest <file|url>",
  "manifest of the images (default: that of the release SMOLVM_IMAGES_RELEASE_TAG, or else that of this version and locally built images)",
] as const;
export const CACHE = ["--cache <dir>", "cache of images (SMOLVM_CACHE; default: ~/.smolvm/images)"] as const;

export const withImageOptions = (command: Command): Command =>
  command
    .option("--flavor <name>", "distribution of the image (default: the release's default flavor)")
    .addOption(new Option("--arch <arch>", "architecture of the guest").choices(ARCHS).default(hostArch()))
    .addOption(new Option("--vmm <vmm>", "VMM that runs the machine").choices(VMMS).default(DEFAULT_VMM))
    .option(
      "--mirror <url|dir>",
      "directory or address with the release's files, tried before GitHub; can be repeated",
      collect,
    )
    .option(...MANIFEST)
    .option(...CACHE)
    .addHelpText("after", offeredFlavors);

/** A line with the flavors of this version; empty if out/cells.json cannot be read. */
function offeredFlavors(): string {
  try {
    const { tag, cells, default_flavor: byDefault } = bundledCells();
    const names = flavorsOf(ofKind(cells, "base").filter((cell) => cell.published));
    const list = names.map((name) => (name === byDefault ? `${name} (default)` : name)).join(", ");
    return `\nFlavors of ${tag}: ${list}; \`smolvm images\` lists all images.`;
  } catch {
    return "";
  }
}

export const pullOptions = ({ mirror, manifest, cache }: ImageFlags, run: Run): PullOptions => ({
  ...{ mirrors: mirror ?? [], manifest, cacheDir: cache, run },
});

const collect = (value: string, all: readonly string[] = []) => [...all, value];
