import { stat } from "node:fs/promises";
import { PipelineError } from "../util/error.ts";
import { type Place, placeOf } from "../util/place.ts";

/** A local directory, or an http(s) address, that has a release's files. */
export interface Mirror {
  readonly place: Place;
  /** Why the mirror is not tried again in this run; undefined while it works. */
  givenUp?: string;
}

/**
 * The mirrors of one run, in order. No request is made.
 * @throws PipelineError if one is not valid: it has an unknown scheme, or is a file
 */
export async function mirrorsOf(given: readonly string[]): Promise<Mirror[]> {
  const mirrors = given.map((each): Mirror => ({ place: placeOf("--mirror", each) }));
  for (const { place } of mirrors) {
    // A missing directory is not an error: it may be on a disk that is not mounted. The other mirrors are tried.
    const there = place.kind === "path" ? await stat(place.path).catch(() => undefined) : undefined;
    if (place.kind === "path" && there && !there.isDirectory()) {
      throw new PipelineError(`--mirror ${place.path} is a file`, {
        fix: "give the directory that has the release's files",
      });
    }
  }
  return mirrors;
}

/** The path or address of a file on a mirror. */
export function fileOf({ place }: Mirror, name: string): Place {
  if (place.kind === "path") return { kind: "path", path: `${place.path.replace(/(?<=.)\/+$/, "")}/${name}` };
  const url = new URL(place.url);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${name}`;
  return { kind: "address", url: url.href };
}
