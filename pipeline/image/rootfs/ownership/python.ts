import { posix } from "node:path";
import type { Rootfs } from "../normalise.ts";
import { isMetadata } from "../packages.ts";
import { claim, listed, type OwnerOf } from "./owner.ts";

/** The record of an installed Python package, and the directory that its paths are relative to. */
const RECORD =
  /^(?<packages>(?<prefix>.+)\/lib\/python[0-9.]+\/(?:site|dist)-packages)\/(?<dist>[^/]+)\.dist-info\/RECORD$/;

/** A larger record is not read, bytes. */
const LARGEST_RECORD = 16 << 20;

/**
 * The files that Python packages record. A record can only name files beside the package and, in an environment of its own
 * below /opt, files of that environment: a package must not give itself the distribution's files.
 */
export async function pythonOwners(rootfs: Rootfs): Promise<OwnerOf> {
  const names = new Map<string, string>();
  const named = new Set(
    rootfs.entries.filter((entry) => isMetadata(entry, rootfs)).map(({ path }) => posix.dirname(path)),
  );
  for (const entry of rootfs.entries) {
    const { path } = entry;
    const found = RECORD.exec(path)?.groups;
    if (!found || entry.type !== "file" || rootfs.sizeOf(entry) > LARGEST_RECORD) continue;
    // The inventory names a package by its metadata. Without any, nothing belongs to it.
    if (!named.has(posix.dirname(path))) continue;
    const within = found.prefix!.startsWith("opt/") ? found.prefix! : found.packages!;
    for (const line of (await rootfs.read(path))!.split("\n")) {
      const recorded = recordedPath(line);
      if (recorded === "") continue;
      const file = posix.join(found.packages!, recorded);
      if (file.startsWith(`${within}/`)) claim(names, file, found.dist!);
    }
  }
  return listed("pypi", names);
}

/** The first column of a line of comma-separated values: `path,hash,size`. A path with a comma or a quote is quoted. */
function recordedPath(line: string): string {
  const quoted = /^"((?:[^"]|"")*)"/.exec(line)?.[1];
  return quoted === undefined ? line.split(",")[0]!.trim() : quoted.replaceAll('""', '"');
}
