import { type Command, Option } from "commander";
import { bundledCells } from "../../client/bundled.ts";
import type { PullOptions } from "../../client/pull.ts";
import { DEFAULT_VMM } from "../../schema/defaults.ts";
import { flavorsOf, ofKind } from "../../schema/kinds/index.ts";
import { ARCHS, type Arch, VMMS, type Vmm } from "../../schema/names.ts";
import type { Run } from "../../util/progress.ts";
import { hostArch } from "../../vm/accel.ts";

/** What says which image is meant, and where it may come from. */
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
  "what is offered (default: the release that this version knows, and what this checkout has built)",
] as const;
export const CACHE = [
  "--cache <dir>",
  "where images are kept (default: ~/.smolvm/images, SMOLVM_CACHE)",
] as const;

export const withImageOptions = (command: Command): Command =>
  command
    .option("--flavor <name>", "the distribution it is made from (default: the release's default flavor)")
    .addOption(new Option("--arch <arch>", "of the guest").choices(ARCHS).default(hostArch()))
    .addOption(new Option("--vmm <vmm>", "what it is started with").choices(VMMS).default(DEFAULT_VMM))
    .option(
      "--mirror <url|dir>",
      "a place that has the release's files, tried first; may be given again",
      collect,
    )
    .option(...MANIFEST)
    .option(...CACHE)
    .addHelpText("after", offeredFlavors);

/** Which flavors this version knows of; nothing where it cannot be read. */
function offeredFlavors(): string {
  try {
    const { tag, cells, default_flavor: byDefault } = bundledCells();
    const names = flavorsOf(ofKind(cells, "base").filter((cell) => cell.published));
    const list = names.map((name) => (name === byDefault ? `${name} (default)` : name)).join(", ");
    return `\nFlavors of ${tag}: ${list}; \`smolvm images\` lists what is offered.`;
  } catch {
    return "";
  }
}

export const pullOptions = ({ mirror, manifest, cache }: ImageFlags, run: Run): PullOptions => ({
  ...{ mirrors: mirror ?? [], manifest, cacheDir: cache, run },
});

const collect = (value: string, all: readonly string[] = []) => [...all, value];
