import { type Command, Option } from "commander";
import type { PullOptions } from "../client/pull.ts";
import { ARCHS, type Arch, VMMS, type Vmm } from "../schema/names.ts";
import type { Run } from "../schema/progress.ts";
import { hostArch } from "../vm/accel.ts";

/** What says which image is meant, and where it may come from. */
export interface ImageFlags {
  readonly flavor: string;
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
    .option("--flavor <name>", "the distribution it is made from: ubuntu, alpine", "ubuntu")
    .addOption(new Option("--arch <arch>", "of the guest").choices(ARCHS).default(hostArch()))
    .addOption(new Option("--vmm <vmm>", "what it is started with").choices(VMMS).default("qemu"))
    .option(
      "--mirror <url|dir>",
      "a place that has the release's files, tried first; may be given again",
      collect,
    )
    .option(...MANIFEST)
    .option(...CACHE);

export const pullOptions = ({ mirror, manifest, cache }: ImageFlags, run: Run): PullOptions => ({
  ...{ mirrors: mirror ?? [], manifest, cacheDir: cache, run },
});

const collect = (value: string, all: readonly string[] = []) => [...all, value];
