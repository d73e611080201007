import { stat } from "node:fs/promises";
import { PipelineError } from "../util/error.ts";
import { type Place, placeOf } from "../util/place.ts";

/** A directory, on disk or at an address, that has a release's files. */
export interface Mirror {
  readonly place: Place;
  /** Why it is not asked for further files of this run; undefined as long as it answers. */
  givenUp?: string;
}

/**
 * The mirrors of one run, in their order; they are not asked for anything yet.
 * @throws PipelineError at one that can be none: an unknown scheme, a file
 */
export async function mirrorsOf(given: readonly string[]): Promise<Mirror[]> {
  const mirrors = given.map((each): Mirror => ({ place: placeOf("--mirror", each) }));
  for (const { place } of mirrors) {
    // One that is not there may be a disk that is not mounted today: the others are tried.
    const there = place.kind === "path" ? await stat(place.path).catch(() => undefined) : undefined;
    if (place.kind === "path" && there && !there.isDirectory()) {
      throw new PipelineError(
        `--mirror ${place.path} is a file: give the directory that has the release's files`,
      );
    }
  }
  return mirrors;
}

/** Where a mirror has a file. */
export function fileOf({ place }: Mirror, name: string): Place {
  if (place.kind === "path") return { kind: "path", path: `${place.path.replace(/(?<=.)\/+$/, "")}/${name}` };
  const url = new URL(place.url);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${name}`;
  return { kind: "address", url: url.href };
}
