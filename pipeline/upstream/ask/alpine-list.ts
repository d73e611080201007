import { parse } from "yaml";
import { z } from "zod";
import { reasonOf } from "../../util/reason.ts";
import { Unknown } from "../unknown.ts";
import { askText } from "./http.ts";
import type { ListFiles } from "./published-files.ts";
import { sumsIn } from "./sums.ts";

/** Other fields are not read: a checksum without quotes may be a number in YAML. */
const Releases = z.array(z.object({ file: z.string() }));

/**
 * `latest-releases.yaml` of a directory on Alpine's mirrors names the newest release's files; `FILE.sha256` beside each has its
 * checksum. Only the newest release is in it.
 */
export const alpineList: ListFiles = async (upstream, directory) => {
  const url = `${directory}/latest-releases.yaml`;
  const text = await askText(upstream, url);
  let files: string[];
  try {
    files = Releases.parse(parse(text)).map(({ file }) => file);
  } catch (cause) {
    throw new Unknown(url, `it is not a list of releases (${reasonOf(cause)})`, cause);
  }
  const sums = new Map<string, string>();
  for (const file of files.filter((name) => /^alpine-minirootfs-[\w.-]+\.tar\.gz$/.test(name))) {
    const sha256 = sumsIn(await askText(upstream, `${directory}/${file}.sha256`)).get(file);
    if (sha256 === undefined)
      throw new Unknown(`${directory}/${file}.sha256`, `it has no checksum of ${file}`);
    sums.set(file, sha256);
  }
  return { sums };
};
