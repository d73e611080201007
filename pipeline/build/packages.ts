import type { Package } from "../schema/facts.ts";
import type { Rootfs } from "./normalise.ts";

/** The packages of a root file system, from the databases of dpkg, apk and npm in it; sorted. */
export async function listPackages(rootfs: Rootfs): Promise<Package[]> {
  const npmLocks = rootfs.entries
    .map(({ path }) => path)
    .filter((path) => /^opt\/[^/]+\/node_modules\/\.package-lock\.json$/.test(path));
  const all = [
    ...dpkg((await rootfs.read("var/lib/dpkg/status")) ?? ""),
    // Alpine moved apk's database from /lib to /usr/lib.
    ...apk(
      (await rootfs.read("lib/apk/db/installed")) ?? (await rootfs.read("usr/lib/apk/db/installed")) ?? "",
    ),
  ];
  for (const path of npmLocks) all.push(...npm((await rootfs.read(path))!));
  const key = ({ type, name, version }: Package) => `${type} ${name} ${version}`;
  const unique = new Map(all.map((entry) => [key(entry), entry]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function dpkg(status: string): Package[] {
  return status.split("\n\n").flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.+)$`, "m").exec(paragraph)?.[1];
    const [name, version] = [field("Package"), field("Version")];
    if (!name || !version || !field("Status")?.endsWith(" ok installed")) return [];
    return [{ type: "deb" as const, name, version }];
  });
}

function apk(installed: string): Package[] {
  return installed.split("\n\n").flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}:(.+)$`, "m").exec(paragraph)?.[1];
    const [name, version] = [field("P"), field("V")];
    return name && version ? [{ type: "apk" as const, name, version }] : [];
  });
}

function npm(lockfile: string): Package[] {
  const { packages } = JSON.parse(lockfile) as {
    packages: Record<string, { version?: string; name?: string }>;
  };
  return Object.entries(packages).flatMap(([path, { version, name }]) =>
    version ? [{ type: "npm" as const, name: name ?? path.replace(/^.*node_modules\//, ""), version }] : [],
  );
}
