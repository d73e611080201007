import { type Command, Option } from "commander";
import { bundledCells } from "../../client/bundled.ts";
import type { PullOptions } from "../../client/pull.ts";
import { DEFAULT_VMM } from "../../schema/defaults.ts";
import { flavorsOf, ofKind } from "../../schema/kinds/index.ts";
import { ARCHS, type Arch, VMMS, type Vmm } from "../../schema/names.ts";
import type { Run } from "../../util/progress.ts";
import { hostArch } from "../../vm/accel.ts";

/** The flags that select an image and its sources. */
export interface ImageFlags extends ManifestFlags {
  readonly flavor?: string;
  readonly arch: Arch;
  readonly vmm: Vmm;
  readonly mirror?: readonly string[];
  readonly cache?: string;
}

/** The flags that select a manifest. */
export interface ManifestFlags {
  readonly manifest?: string;
  readonly verifyProvenance?: true;
  readonly trustedRoot?: string;
}

export const withManifestOptions = (command: Command): Command =>
  command
    .option(
      "--manifest <file|url>",
      "manifest of the images (default: that of the release SMOLVM_IMAGES_RELEASE_TAG, or else that of this version and locally built images)",
    )
    .option(
      "--verify-provenance",
      "refuse a manifest, unless it came with this version, or has an attestation beside it (<manifest>.sigstore.json) that the release's workflow has made it",
    )
    .addOption(
      new Option(
        "--trusted-root <file>",
        "trusted_root.json of another sigstore than the public one, for --verify-provenance",
      ).implies({ verifyProvenance: true }),
    );
export const CACHE = ["--cache <dir>", "cache of images (SMOLVM_CACHE; default: ~/.smolvm/images)"] as const;

export const withImageOptions = (command: Command): Command =>
  withManifestOptions(
    command
      .option("--flavor <name>", "distribution of the image (default: the release's default flavor)")
      .addOption(new Option("--arch <arch>", "architecture of the guest").choices(ARCHS).default(hostArch()))
      .addOption(new Option("--vmm <vmm>", "VMM that runs the machine").choices(VMMS).default(DEFAULT_VMM))
      .option(
        "--mirror <url|dir>",
        "directory or address with the release's files, tried before GitHub; can be repeated",
        collect,
      ),
  )
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

export const pullOptions = (flags: ImageFlags, run: Run): PullOptions => {
  const { mirror, manifest, verifyProvenance, trustedRoot, cache } = flags;
  return { mirrors: mirror ?? [], manifest, verifyProvenance, trustedRoot, cacheDir: cache, run };
};

const collect = (value: string, all: readonly string[] = []) => [...all, value];
