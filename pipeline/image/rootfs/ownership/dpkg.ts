import { posix } from "node:path";
import type { FileTree } from "../file-tree.ts";
import type { Rootfs } from "../normalise.ts";
import { dpkg } from "../packages.ts";
import { claim, listed, type OwnerOf } from "./owner.ts";

/** A file of dpkg's database about one package: `libc6:amd64.list`. */
const INFO = /^var\/lib\/dpkg\/info\/([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\.([a-z0-9]+)$/;

/** The files that dpkg's lists give to the installed packages, and what its database keeps about each package. */
export async function dpkgOwners(rootfs: Rootfs, tree: FileTree): Promise<OwnerOf> {
  const status = await rootfs.read("var/lib/dpkg/status");
  if (status === undefined) return () => undefined;
  const installed = new Set(dpkg(status).map(({ name }) => name));
  const diversions = diverted((await rootfs.read("var/lib/dpkg/diversions")) ?? "");
  const onDisk = realPaths(tree);
  const names = new Map<string, string>();
  for (const { path, type } of rootfs.entries) {
    const [, name, extension] = INFO.exec(path) ?? [];
    if (name === undefined || !installed.has(name)) continue;
    claim(names, path, name);
    if (extension !== "list" || type !== "file") continue;
    for (const line of (await rootfs.read(path))!.split("\n")) {
      if (!line.startsWith("/") || line === "/.") continue;
      const diversion = diversions.get(line);
      const place = diversion && diversion.by !== name ? diversion.to : line;
      claim(names, onDisk(place), name);
    }
  }
  return listed("deb", names);
}

/** dpkg's diversions by path: to where the files of other packages than `by` go. */
function diverted(text: string): Map<string, { to: string; by: string }> {
  const lines = text.split("\n");
  const result = new Map<string, { to: string; by: string }>();
  for (let at = 0; at + 2 < lines.length; at += 3) {
    result.set(lines[at]!, { to: lines[at + 1]!, by: lines[at + 2]! });
  }
  return result;
}

/** Where a listed path is in the image: with merged /usr, a list may say `/bin/x` for the file `usr/bin/x`. */
function realPaths(tree: FileTree): (path: string) => string {
  const directories = new Map<string, string>();
  return (path) => {
    const parent = posix.dirname(path);
    let real = directories.get(parent);
    if (real === undefined) {
      real = parent === "/" ? "" : (tree.resolve(parent)?.path ?? parent.slice(1));
      directories.set(parent, real);
    }
    return posix.join(real, posix.basename(path));
  };
}
