import { execFile } from "node:child_process";
import { errorCode, PipelineError } from "../../util/error.ts";
import type { Run } from "../../util/progress.ts";

/**
 * Whether a version of a Debian package is newer than another, as dpkg orders them.
 * @throws PipelineError when dpkg is missing
 */
export function isNewer(version: string, other: string, { signal }: Run): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile("dpkg", ["--compare-versions", version, "gt", other], { signal }, (error) => {
      if (error === null) return resolve(true);
      if (signal.aborted) return reject(signal.reason);
      if (error.code === 1) return resolve(false);
      if (errorCode(error) !== "ENOENT") return reject(new PipelineError(error.message, { cause: error }));
      const fix = "install it with `sudo apt-get install dpkg`";
      reject(new PipelineError("dpkg is not on PATH", { code: "program-missing", fix, cause: error }));
    });
  });
}
