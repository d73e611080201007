import { PipelineError } from "../../util/error.ts";
import type { StoreFlags } from "./store.ts";

/** What has no meaning where nothing is built: the option's name, and how it is typed. */
const FOR_BUILDING = { cache: "--no-cache", record: "--record" } as const;
/** And where nothing is booted either. */
const FOR_MAKING = {
  ...FOR_BUILDING,
  ...{ level: "--level", asDeclared: "--as-declared", bases: "--bases", bootTimeout: "--boot-timeout" },
  ...{ kernel: "--kernel", initrd: "--initrd", rootfs: "--rootfs", rootfsSha256: "--rootfs-sha256" },
  ...{ aptMirror: "--apt-mirror", apkMirror: "--apk-mirror", npmRegistry: "--npm-registry" },
  ...{ extraCa: "--extra-ca", accel: "--accel" },
} as const;

/**
 * A flag that the asked stage would ignore is refused: whoever gives it expects something of it. `isGiven` tells which
 * options stand on the command line.
 * @throws PipelineError that names both
 */
export function checkStageFlags(
  { stage, store, releaseId }: StoreFlags & { readonly stage?: "build" | "verify" | "upload" },
  isGiven: (option: string) => boolean,
): void {
  const ignored = stage === "upload" ? FOR_MAKING : stage === "verify" ? FOR_BUILDING : {};
  for (const [option, flag] of Object.entries(ignored)) {
    if (isGiven(option))
      throw new PipelineError(`${flag} is for building, and --stage ${stage} builds nothing`);
  }
  const uploads = stage === "upload" || (stage === undefined && store?.kind === "github");
  if (uploads) return;
  if (releaseId !== undefined) {
    throw new PipelineError("--release-id is for uploading: add --store github, or --stage upload");
  }
  if (store?.kind === "github") {
    throw new PipelineError(`--store github is for uploading, and --stage ${stage} uploads nothing`);
  }
}
