import { Manifest } from "../schema/manifest.ts";
import { isManifest } from "../schema/mark.ts";
import { PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";

/**
 * Parses the text of a manifest.
 * @param source where it is from, for error messages
 * @param fix what to do if it is not valid
 * @throws PipelineError that names the wrong field, or says that a later version wrote it
 */
export function parseManifest(text: string, source: string, fix: string): Manifest {
  const version = isManifest(text) ? JSON.parse(text).schema_version : 1;
  if (version !== 1) {
    throw new PipelineError(
      `${source} is a manifest of version ${version}, and this program reads version 1`,
      {
        fix: "install a version of smolvm-images that reads it, or give another manifest",
      },
    );
  }
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${source} is not a valid manifest (${reasonOf(cause)})`, { fix, cause });
  }
}
