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
      fix: "restore it from git",
      cause,
    });
  }
}

/** The content of `out/manifest.schema.json`. */
export const manifestSchema = () => z.toJSONSchema(Manifest);
