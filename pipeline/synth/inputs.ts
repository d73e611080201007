import { createHash } from "node:crypto";
import type { Release } from "../constructs/release.ts";
import { type MadeFrom, RECIPE_VERSION, type RootfsSource } from "../schema/cells.ts";
import { PipelineError } from "../util/error.ts";

/** What a hash of inputs covers. */
export interface Inputs {
  /** The declared values that decide the bytes, in the order in which they are hashed. */
  readonly recipe: { readonly dockerfile: string; readonly files: readonly string[] };
  /** The text of the Dockerfile. */
  readonly text: string;
}

/** The inputs hash of a root file system, or of the tool container. @param below the inputs of what it is made from */
export function hashInputs(
  release: Release,
  { recipe, text }: Inputs,
  below: readonly string[] = [],
): string {
  const contents = contentsOf(release, recipe.files);
  return sha256(
    JSON.stringify([RECIPE_VERSION, release.sourceDateEpoch, recipe, contents, [text, ...below]]),
  );
}

/**
 * The inputs hash of a kernel: its recipe only. The release's instant and the bases that it boots are not part of it, so
 * that a change of these does not compile the kernel again.
 */
export const hashKernelInputs = (release: Release, { recipe, text }: Inputs): string =>
  sha256(JSON.stringify([recipe, contentsOf(release, recipe.files), text]));

/** The Dockerfile and the files that it copies in, by path. */
export function filesByName(release: Release, { recipe, text }: Inputs): MadeFrom {
  const contents = contentsOf(release, recipe.files);
  return {
    [recipe.dockerfile]: short(sha256(text)),
    ...Object.fromEntries(recipe.files.map((path, index) => [path, short(contents[index]!)])),
  };
}

/** What every root file system is made with. */
export const madeWith = (release: Release): MadeFrom => ({
  "recipe version": String(RECIPE_VERSION),
  "newest file": new Date(release.sourceDateEpoch * 1000).toISOString(),
});

/** The sources of a root file system, by their kind. */
export const sourcesByName = (sources: readonly RootfsSource[]): MadeFrom =>
  Object.fromEntries(
    sources.map((source) => {
      if (source.from === "image") return ["image", imageByName(source.image)];
      if (source.from === "tarball") return ["tarball", `${source.url} ${short(source.sha256)}`];
      return ["suite", source.suite];
    }),
  );

/** What the inventory says of files that no package owns. A declaration without any has no such part. */
export const contentsByName = (contents: object): MadeFrom =>
  Object.keys(contents).length > 0 ? { inventory: short(sha256(JSON.stringify(contents))) } : {};

/** A container image with the first digits of its digest. */
export const imageByName = (image: string): string =>
  image.replace(/@sha256:([0-9a-f]+)$/, (_, hex: string) => `@sha256:${short(hex)}`);

/** As many digits of a hash as a reader needs to tell two apart. Decisions use the whole hash. */
export const short = (hash: string): string => hash.slice(0, 12);

const contentsOf = (release: Release, files: readonly string[]) =>
  files.map((file) => sha256(readInput(release, file)));

/** The text of a file that images are made from. @throws PipelineError when it is missing */
export function readInput(release: Release, path: string): string {
  const text = release.files(path);
  if (text === undefined) {
    throw new PipelineError(`${path} is missing, which images are made from`, { fix: "restore it from git" });
  }
  return text;
}

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
