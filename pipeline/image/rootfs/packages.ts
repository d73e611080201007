import type { Package } from "../../schema/facts.ts";
import { DebianLicenses } from "../licenses/debian.ts";
import { declaredLicenses, pythonLicenses } from "../licenses/declared.ts";
import type { License } from "../licenses/license.ts";
import type { Rootfs } from "./normalise.ts";
import type { NpmPackage } from "./npm-packages.ts";
import type { Entry } from "./tar-index.ts";

/** A package and its licences; none if they are not known. */
export interface LicensedPackage extends Package {
  readonly license: readonly License[];
  /**
   * The source package that the distribution makes it from, by which its security advisories name it: `openssl`, and with
   * another version `openssl@3.5.1-1`. @default the package itself
   */
  readonly upstream?: string | undefined;
  /** As the distribution writes it, such as `all` for a package of any arch. @default the image's */
  readonly architecture?: string | undefined;
}

/** The packages of a root file system, sorted. They are those of the databases of dpkg, apk and Python, and of `npm`. */
export async function listPackages(rootfs: Rootfs, npm: readonly NpmPackage[]): Promise<LicensedPackage[]> {
  const status = (await rootfs.read("var/lib/dpkg/status")) ?? "";
  const all = [
    ...dpkg(status),
    ...apk(await apkDatabase(rootfs)),
    ...npm.map(({ name, version, license }) => ({ type: "npm" as const, name, version, license })),
  ];
  for (const entry of rootfs.entries) {
    if (isMetadata(entry, rootfs)) all.push(...python((await rootfs.read(entry.path))!));
  }
  const key = ({ type, name, version }: Package) => `${type} ${name} ${version}`;
  const unique = new Map(all.map((entry) => [key(entry), entry]));
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const debian = new DebianLicenses(status, rootfs.read);
  return await Promise.all(
    sorted.map(async (entry) =>
      entry.type === "deb" ? { ...entry, license: await debian.of(entry.name) } : entry,
    ),
  );
}

/** A larger METADATA is not read, bytes. It holds a package's readme too. */
const LARGEST_METADATA = 4 << 20;

/** Whether an entry is the core metadata of an installed Python package. */
export const isMetadata = (entry: Entry, rootfs: Pick<Rootfs, "sizeOf">): boolean =>
  entry.type === "file" &&
  entry.path.endsWith(".dist-info/METADATA") &&
  rootfs.sizeOf(entry) <= LARGEST_METADATA;

/** A function that returns a field of a paragraph by its name. Each line is `Name<separator>value`. */
const fieldOf = (paragraph: string, separator: string) => (name: string) =>
  new RegExp(`^${name}${separator}(.+)$`, "m").exec(paragraph)?.[1];

/** The text of apk's database; empty if there is none. Alpine moved it from /lib to /usr/lib. */
export const apkDatabase = async (rootfs: Rootfs): Promise<string> =>
  (await rootfs.read("lib/apk/db/installed")) ?? (await rootfs.read("usr/lib/apk/db/installed")) ?? "";

/** The installed packages of dpkg's database. */
export function dpkg(status: string): LicensedPackage[] {
  return status.split("\n\n").flatMap((paragraph) => {
    const field = fieldOf(paragraph, ": ");
    const [name, version] = [field("Package"), field("Version")];
    if (!name || !version || !field("Status")?.endsWith(" ok installed")) return [];
    // `Source: openssl`, or `Source: openssl (3.5.1-1)` if the version is another one.
    const [, source, sourceVersion] = /^(\S+)(?: \((\S+)\))?$/.exec(field("Source") ?? "") ?? [];
    const upstream = source && (sourceVersion ? `${source}@${sourceVersion}` : source);
    const architecture = field("Architecture");
    return [{ type: "deb" as const, name, version, license: [], upstream, architecture }];
  });
}

function apk(installed: string): LicensedPackage[] {
  return installed.split("\n\n").flatMap((paragraph) => {
    const field = fieldOf(paragraph, ":");
    const [name, version] = [field("P"), field("V")];
    if (!name || !version) return [];
    const origin = field("o");
    const upstream = origin === name ? undefined : origin;
    const license = declaredLicenses(field("L"));
    return [{ type: "apk" as const, name, version, license, upstream, architecture: field("A") }];
  });
}

/** Reads the core metadata of an installed Python package. */
function python(metadata: string): LicensedPackage[] {
  const field = fieldOf(metadata.split("\n\n")[0]!, ": ");
  const [name, version] = [field("Name"), field("Version")];
  return name && version ? [{ type: "pypi" as const, name, version, license: pythonLicenses(metadata) }] : [];
}
