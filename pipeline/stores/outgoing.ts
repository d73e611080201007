import { PipelineError } from "../util/error.ts";
import type { Outgoing, StoredAsset } from "./store.ts";

/** GitHub's limits: an asset is smaller than 2 GiB, and a release has at most 1000. */
export const MOST_BYTES = 2 ** 31 - 1;
export const MOST_ASSETS = 1000;
/** Other characters, and a dot at either end, GitHub replaces: the asset would not be where its address says. */
const NAME = /^[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?$/;

/** @throws PipelineError for a file that a release cannot take, or not as it is */
export function checkOutgoing({ name, size }: Outgoing, present: readonly StoredAsset[]): void {
  if (!NAME.test(name)) {
    throw new PipelineError(
      `asset name "${name}" would be rewritten: letters, digits, "_", "-", and "." between them`,
    );
  }
  if (size > MOST_BYTES) {
    throw new PipelineError(
      `${name} is ${size} bytes, and a release takes at most ${MOST_BYTES} (2 GiB minus one byte): make the image smaller`,
    );
  }
  if (size === 0)
    throw new PipelineError(`${name} is empty`, { code: "not-staged", fix: "build its cell again" });
  if (present.length >= MOST_ASSETS && !present.some((asset) => asset.name === name)) {
    throw new PipelineError(
      `${name} does not fit: the release has ${present.length} assets, and a release has at most ${MOST_ASSETS}`,
    );
  }
}

/** How a maintainer gets rid of what an earlier run has left. */
export const EMPTY = "empty the draft with `npx smolvm-images release prepare --empty`, or choose a new tag";

/** Nothing is ever put in the place of other bytes. */
export const otherBytes = (name: string, where: string, there: string, ours: string, fix: string) =>
  new PipelineError(`${name} is on ${where} with other bytes (sha256 ${there}, and this one is ${ours})`, {
    ...{ code: "asset-conflict", fix },
  });

/** What a published release says to whoever would change it. */
export const isPublished = (tag: string, where: string) =>
  new PipelineError(`${tag} is published on ${where}, and a published release is never changed`, {
    code: "release-published",
    fix: "choose a new tag (IMAGES_RELEASE_TAG in images.ts)",
  });
