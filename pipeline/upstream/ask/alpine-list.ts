import { parse } from "yaml";
import { z } from "zod";
import { reasonOf } from "../../util/reason.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { askText } from "./http.ts";
import type { ListFiles } from "./published-files.ts";
import { sumsIn } from "./sums.ts";

/** Other fields are not read: a checksum without quotes may be a number in YAML. */
const Releases = z.array(z.object({ file: z.string() }));

/** The files of the newest release in a directory, by the list `latest-releases.yaml`. @throws Unknown */
export async function alpineFiles(upstream: Upstream, directory: string): Promise<string[]> {
  const url = `${directory}/latest-releases.yaml`;
  const text = await askText(upstream, url);
  try {
    return Releases.parse(parse(text)).map(({ file }) => file);
  } catch (cause) {
    throw new Unknown(url, `it is not a list of releases (${reasonOf(cause)})`, cause);
  }
}

/**
 * `latest-releases.yaml` of a directory on Alpine's mirrors names the newest release's files; `FILE.sha256` beside each has its
 * checksum. Only the newest release is in it.
 */
export const alpineList: ListFiles = async (upstream, directory) => {
  const files = await alpineFiles(upstream, directory);
  const sums = new Map<string, string>();
  for (const file of files.filter((name) => /^alpine-minirootfs-[\w.-]+\.tar\.gz$/.test(name))) {
    const sha256 = sumsIn(await askText(upstream, `${directory}/${file}.sha256`)).get(file);
    if (sha256 === undefined)
      throw new Unknown(`${directory}/${file}.sha256`, `it has no checksum of ${file}`);
    sums.set(file, sha256);
  }
  return { sums };
};
