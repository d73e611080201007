import { PipelineError } from "../util/error.ts";
import type { Expected, StoredAsset } from "./store.ts";

/** GitHub's limits: an asset is smaller than 2 GiB, and a release has at most 1000 assets. */
export const MOST_BYTES = 2 ** 31 - 1;
export const MOST_ASSETS = 1000;
/** GitHub replaces other characters, and a dot at either end. The asset would then not be found at its address. */
const NAME = /^[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?$/;

/** @throws PipelineError for a file whose name or size a release does not accept, or that exceeds its number of assets */
export function checkOutgoing(
  { name, size }: Omit<Expected, "sha256">,
  present: readonly StoredAsset[],
): void {
  if (!NAME.test(name)) {
    throw new PipelineError(`GitHub would change the asset name "${name}"`, {
      fix: 'use letters, digits, "_", "-", and "." between them',
    });
  }
  if (size > MOST_BYTES) {
    throw new PipelineError(
      `${name} has ${size} bytes, and an asset has at most ${MOST_BYTES} (2 GiB minus one byte)`,
      { fix: "make the image smaller" },
    );
  }
  if (size === 0)
    throw new PipelineError(`${name} is empty`, { code: "not-staged", fix: "build its cell again" });
  if (present.length >= MOST_ASSETS && !present.some((asset) => asset.name === name)) {
    throw new PipelineError(
      `${name} cannot be added: the release has ${present.length} assets, the maximum is ${MOST_ASSETS}`,
    );
  }
}

/** How a maintainer removes the assets of an earlier run. */
export const EMPTY = "empty the draft with `npx smolvm-images release prepare --empty`, or choose a new tag";

/** The error for an asset that exists with other bytes. It is never replaced. */
export const otherBytes = (name: string, where: string, there: string, ours: string, fix: string) =>
  new PipelineError(`${name} is on ${where} with other bytes (sha256 ${there} there, ${ours} here)`, {
    ...{ code: "asset-conflict", fix },
  });

/** The error for a file that is to be copied and is not the one that was recorded. @param what what it has instead */
export const notTheSame = (name: string, where: string, what: string) =>
  new PipelineError(`${name} on ${where} has ${what}`, {
    ...{ code: "asset-conflict", fix: "build its cell instead (`npx smolvm-images plan --check-release`)" },
  });

/** The error for an attempt to change a published release. */
export const isPublished = (tag: string, where: string) =>
  new PipelineError(`${tag} is published on ${where}, and a published release is never changed`, {
    code: "release-published",
    fix: "choose a new tag (IMAGES_RELEASE_TAG in images.ts)",
  });
