import type { Cells } from "../../schema/cells.ts";
import { MANIFEST_PATH, manifestOf, manifestText } from "../../schema/manifest.ts";
import { DIGESTS_PATH, type RecordedDigests } from "../../schema/recorded-digests.ts";
import { PUBLISHED_IMAGES_PATH, publishedImages } from "../../synth/published-images.ts";

/** The recorded digests, and the files that synth generates from them: texts by path, from the project's root. */
export function recordedFiles(cells: Cells, digests: RecordedDigests): Readonly<Record<string, string>> {
  const manifest = manifestOf(cells, digests);
  return {
    [DIGESTS_PATH]: `${JSON.stringify(digests, null, 2)}\n`,
    [MANIFEST_PATH]: manifestText(manifest),
    [PUBLISHED_IMAGES_PATH]: publishedImages(manifest),
  };
}
