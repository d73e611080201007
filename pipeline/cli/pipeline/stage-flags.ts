import { PipelineError } from "../../util/error.ts";
import type { StoreFlags } from "./store.ts";

/** Options that are only for building: the option's name, and its flag. */
const FOR_BUILDING = { cache: "--no-cache", record: "--record" } as const;
/** Options that are only for building or booting. */
const FOR_MAKING = {
  ...FOR_BUILDING,
  ...{ level: "--level", asDeclared: "--as-declared", bases: "--bases", bootTimeout: "--boot-timeout" },
  ...{ kernel: "--kernel", initrd: "--initrd", rootfs: "--rootfs", rootfsSha256: "--rootfs-sha256" },
  ...{ aptMirror: "--apt-mirror", apkMirror: "--apk-mirror", npmRegistry: "--npm-registry" },
  ...{ extraCa: "--extra-ca", accel: "--accel" },
} as const;

/**
 * Refuses flags that the selected stage would ignore.
 * @param isGiven whether an option was given on the command line
 * @throws PipelineError that names the flag and the stage
 */
export function checkStageFlags(
  { stage, store, releaseId }: StoreFlags & { readonly stage?: "build" | "verify" | "upload" },
  isGiven: (option: string) => boolean,
): void {
  const ignored = stage === "upload" ? FOR_MAKING : stage === "verify" ? FOR_BUILDING : {};
  for (const [option, flag] of Object.entries(ignored)) {
    if (isGiven(option))
      throw new PipelineError(`${flag} has no effect with --stage ${stage}`, { fix: "omit one of the two" });
  }
  const uploads = stage === "upload" || (stage === undefined && store?.kind === "github");
  if (uploads) return;
  if (releaseId !== undefined) {
    throw new PipelineError("--release-id is only for uploads", {
      fix: "add --store github or --stage upload",
    });
  }
  if (store?.kind === "github") {
    throw new PipelineError(`--store github is only for uploads, and --stage ${stage} uploads nothing`, {
      fix: "omit one of the two",
    });
  }
}
