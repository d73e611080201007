import type { InitramfsCell } from "../cells.ts";
import { NEWEST } from "./choices.ts";

/** What release mode does not allow. The construct and the overrides ask the same. */
type Chosen = Pick<InitramfsCell, "mode" | "verify_checksums" | "programs"> & {
  readonly kernel: Pick<InitramfsCell["kernel"], "version">;
};

/** Why something cannot be built in release mode, by name; empty in debug mode, and if everything is pinned. */
export function releaseModeErrors({ mode, kernel, programs, verify_checksums }: Chosen): string[] {
  if (mode !== "release") return [];
  const errors = programs.flatMap(({ path, version, sha256 }) => {
    if (version === NEWEST)
      return [`${path} is the newest of the day, and not pinned: give its version and sha256`];
    return sha256 === null
      ? [`${path} ${version} has no known sha256: give it, or leave the program out`]
      : [];
  });
  if (kernel.version === "edge")
    errors.push("the kernel edge is another one every week: take lts, or a version");
  if (!verify_checksums) errors.push("checksums are not verified (VERIFY_CHECKSUMS=false)");
  return errors;
}
