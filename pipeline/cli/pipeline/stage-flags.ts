import type { Cell } from "../../schema/cells.ts";
import { KINDS, kindNamed } from "../../schema/kinds/index.ts";
import { PipelineError } from "../../util/error.ts";
import type { StoreFlags } from "./store.ts";

/** Options that are only for building: the option's name, and its flag. */
const FOR_BUILDING = { cache: "--no-cache", record: "--record" } as const;
/** Options that are for what follows the container image of a base. */
const AFTER_CONTAINER = {
  ...{ record: "--record", level: "--level", bootTimeout: "--boot-timeout" },
  ...{ kernel: "--kernel", initrd: "--initrd", accel: "--accel" },
} as const;
/** Options that are only for building or booting. */
const FOR_MAKING = {
  ...FOR_BUILDING,
  ...{ level: "--level", asDeclared: "--as-declared", bases: "--bases", bootTimeout: "--boot-timeout" },
  ...{ kernel: "--kernel", initrd: "--initrd", rootfs: "--rootfs", rootfsSha256: "--rootfs-sha256" },
  ...{ aptMirror: "--apt-mirror", apkMirror: "--apk-mirror", npmRegistry: "--npm-registry" },
  ...{ extraCa: "--extra-ca", accel: "--accel" },
} as const;
const IGNORED = { container: AFTER_CONTAINER, build: {}, verify: FOR_BUILDING, upload: FOR_MAKING } as const;

/**
 * Refuses flags that the selected stage would ignore.
 * @param isGiven whether an option was given on the command line
 * @throws PipelineError that names the flag and the stage
 */
export function checkStageFlags(
  { stage, store, releaseId }: StoreFlags & { readonly stage?: keyof typeof IGNORED },
  isGiven: (option: string) => boolean,
): void {
  const ignored = stage ? IGNORED[stage] : {};
  for (const [option, flag] of Object.entries(ignored)) {
    // Frames are compressed.
    if (stage === "container" && option === "level" && isGiven("frames")) continue;
    if (isGiven(option))
      throw new PipelineError(`${flag} has no effect with --stage ${stage}`, { fix: "omit one of the two" });
  }
  if (stage !== "container" && isGiven("frames")) {
    throw new PipelineError("--frames has no effect without --stage container", {
      fix: "omit it",
    });
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

/** Refuses cells that do not have the selected stage. @throws PipelineError that names the first of them */
export function checkStageCells(stage: string | undefined, cells: readonly Cell[]): void {
  if (stage !== "container") return;
  const other = cells.find(({ kind }) => kindNamed(kind).handedOn?.stage !== stage);
  if (!other) return;
  const forms = Object.values(KINDS).flatMap(({ idForm, handedOn }) =>
    handedOn?.stage === stage ? [idForm] : [],
  );
  throw new PipelineError(`${other.id} has no stage ${stage}, which is only for ${forms.join(", ")}`, {
    fix: "name only such cells, or omit --stage",
  });
}
