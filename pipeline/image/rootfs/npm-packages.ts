import { posix } from "node:path";
import { z } from "zod";
import { npmLicenses } from "../licenses/declared.ts";
import type { License } from "../licenses/license.ts";
import type { Rootfs } from "./normalise.ts";

/** An installed npm package, also one that is nested in another or bundled with it. */
export interface NpmPackage {
  /** Its directory in the image, without a leading `/`. */
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  readonly license: readonly License[];
}

/** A package.json in the directory of a package; not one that lies in `node_modules` or in a scope's directory itself. */
const MANIFEST = /(^|\/)node_modules\/(@[^/]+\/)?[^/@.][^/]*\/(.+\/)?package\.json$/;
/** A larger package.json is not read, bytes. */
const LARGEST = 1 << 20;
/** https://github.com/npm/validate-npm-package-name: names of old packages may have capitals. */
const NAME = /^(@[A-Za-z0-9-._~]+\/)?[A-Za-z0-9-._~]+$/;
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+-]*$/;

/** The npm packages of a root file system: each directory below a `node_modules` whose package.json has a name and a version. */
export async function npmPackages(rootfs: Rootfs): Promise<NpmPackage[]> {
  const found: NpmPackage[] = [];
  const installed = await installedPackages(rootfs);
  for (const entry of rootfs.entries) {
    if (entry.type !== "file" || !MANIFEST.test(entry.path) || rootfs.sizeOf(entry) > LARGEST) continue;
    const { name, version, ...rest } = fieldsOf((await rootfs.read(entry.path))!);
    if (typeof name !== "string" || !NAME.test(name)) continue;
    if (typeof version !== "string" || !VERSION.test(version)) continue;
    const directory = posix.dirname(entry.path);
    // What npm installed there goes before what the package says of itself.
    found.push({ directory, name, version, ...installed.get(directory), license: npmLicenses(rest) });
  }
  return found;
}

/** The lockfile that npm leaves of a preset's packages. Others, inside packages, are the packages' own. */
const LOCK = /^(opt\/[^/]+\/)node_modules\/\.package-lock\.json$/;
const MOST_LOCK_BYTES = 16 << 20;
const Lock = z.object({
  packages: z.record(z.string(), z.object({ name: z.string().optional(), version: z.string().optional() })),
});

/** The names and versions that npm has installed, by their directories. */
async function installedPackages(rootfs: Rootfs): Promise<Map<string, { name: string; version: string }>> {
  const all = new Map<string, { name: string; version: string }>();
  for (const entry of rootfs.entries) {
    const [, above] = LOCK.exec(entry.path) ?? [];
    if (above === undefined || entry.type !== "file" || rootfs.sizeOf(entry) > MOST_LOCK_BYTES) continue;
    const lock = Lock.safeParse(fieldsOf((await rootfs.read(entry.path))!));
    for (const [path, { name, version }] of Object.entries(lock.data?.packages ?? {})) {
      if (version === undefined) continue;
      all.set(`${above}${path}`, { name: name ?? path.replace(/^.*node_modules\//, ""), version });
    }
  }
  return all;
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text.replace(/^\ufeff/, ""));
    return typeof content === "object" && content !== null ? { ...content } : {};
  } catch {
    return {};
  }
}
