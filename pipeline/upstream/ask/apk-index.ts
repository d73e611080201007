import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { reasonOf } from "../../util/reason.ts";
import { Unknown } from "../unknown.ts";
import type { Upstream } from "../upstream.ts";
import { ask } from "./http.ts";

/**
 * The version that a branch of Alpine has of a package: https://wiki.alpinelinux.org/wiki/Apk_spec#APKINDEX_Format
 * @param repository the address of a repository of packages: `…/v3.24/main`
 * @throws Unknown
 */
export async function apkVersion(upstream: Upstream, repository: string, name: string): Promise<string> {
  const url = `${repository}/x86_64/APKINDEX.tar.gz`;
  const { bytes } = await ask(upstream, url);
  const index = await indexOf(url, bytes);
  for (const entry of index.split("\n\n")) {
    const fields = new Map(entry.split("\n").map((line) => [line.slice(0, 2), line.slice(2)]));
    const version = fields.get("V:");
    if (fields.get("P:") === name && version !== undefined) return version;
  }
  throw new Unknown(url, `it has no package ${name}`);
}

/** The file APKINDEX: the archive is two gzip streams, the signature and the index. */
async function indexOf(url: string, bytes: Buffer): Promise<string> {
  try {
    for await (const entry of Readable.from([gunzipSync(bytes)]).pipe(extract())) {
      if (entry.header.name === "APKINDEX") return await text(entry);
      entry.resume();
    }
  } catch (cause) {
    throw new Unknown(url, `it is not an index of packages (${reasonOf(cause)})`, cause);
  }
  throw new Unknown(url, "it has no file APKINDEX");
}
