import { z } from "zod";
import type { Release } from "../constructs/release.ts";
import type { Cells } from "../schema/cells.ts";
import { Manifest, manifestOf } from "../schema/manifest.ts";
import { DIGESTS_PATH, RecordedDigests } from "../schema/recorded-digests.ts";
import { PipelineError } from "../util/error.ts";
import { reasonOf } from "../util/reason.ts";

/** The content of `out/manifest.json`: a row for each image with recorded digests. */
export function renderManifest(release: Release, cells: Omit<Cells, "$comment">): Manifest {
  return manifestOf(cells, recorded(release));
}

/** The recorded digests; undefined if there are none. @throws PipelineError when the file is damaged */
function recorded(release: Release): RecordedDigests | undefined {
  const text = release.files(DIGESTS_PATH);
  if (text === undefined) return undefined;
  try {
    return RecordedDigests.parse(JSON.parse(text));
  } catch (cause) {
    throw new PipelineError(`${DIGESTS_PATH} does not contain recorded digests (${reasonOf(cause)})`, {
      ...{ fix: isOld(text) ? OLD : "restore it from git", cause },
    });
  }
}

const OLD = "an earlier version wrote it: delete it, and run `npx smolvm-images release publish` again";

/** Whether a text is recorded digests of the first version, which did not know the unpacked images. */
function isOld(text: string): boolean {
  try {
    return JSON.parse(text).schema_version === 1;
  } catch {
    return false;
  }
}

/** The content of `out/manifest.schema.json`. */
export const manifestSchema = () => z.toJSONSchema(Manifest);
