import { posix } from "node:path";
import { TOOLS_LOCK } from "../../constructs/base-rootfs.ts";
import { lockManifest } from "../ask/locked-package.ts";
import type { Declared, Newest, Texts, Write } from "../pin.ts";
import { replaced } from "../replace.ts";

const MANIFEST = TOOLS_LOCK.replace("-lock", "");

/** The tool container's package.json and lockfile with another version of some packages. */
export function relocked(packages: readonly string[], pinned: string, version: string): Write {
  return async (declared, run): Promise<Texts> => {
    const lines = packages.map((name) => ({ find: `"${name}": "${pinned}"`, by: `"${name}": "${version}"` }));
    const manifest = replaced(declared, lines, [MANIFEST]).get(MANIFEST)!;
    const directory = posix.basename(posix.dirname(TOOLS_LOCK));
    const what = packages.map((name) => `${name}@${version}`).join(" ");
    const lockfile = await lockManifest(directory, manifest, declared.own(TOOLS_LOCK), what, run);
    return new Map([
      [MANIFEST, manifest],
      [TOOLS_LOCK, lockfile],
    ]);
  };
}

/** `write`, where the tool container's lockfile is the project's own. Otherwise it comes with this package. */
export const whereOwn = (declared: Declared, write: Write): Pick<Newest, "write" | "note"> =>
  declared.own(TOOLS_LOCK) === undefined
    ? { note: "it comes with the package smolvm-images; update that" }
    : { write };
