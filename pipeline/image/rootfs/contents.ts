import { LISTED } from "../../schema/listing.ts";
import type { Arch } from "../../schema/names.ts";
import type { Rootfs } from "./normalise.ts";
import { type LicensedPackage, listPackages } from "./packages.ts";
import { sbom } from "./sbom.ts";

/** What is in a finished root file system. */
export interface Contents {
  readonly packages: readonly LicensedPackage[];
  /** Its inventory, CycloneDX JSON. */
  readonly sbom: string;
  /** The size of all files, bytes. */
  readonly size: number;
  /** The larger files, bytes by path. */
  readonly files: Readonly<Record<string, number>>;
}

/** Lists what is in a root file system. `name` is the cell's id. */
export async function contentsOf(
  rootfs: Rootfs,
  { name, arch }: { name: string; arch: Arch },
): Promise<Contents> {
  const packages = await listPackages(rootfs);
  const distribution = distributionOf(
    (await rootfs.read("etc/os-release")) ?? (await rootfs.read("usr/lib/os-release")),
  );
  const { size, files } = sizesOf(rootfs);
  return { packages, sbom: sbom({ name, type: "rootfs", arch, distribution }, packages), size, files };
}

/** A file with several hard links counts once. */
function sizesOf(rootfs: Rootfs): Pick<Contents, "size" | "files"> {
  const files: Record<string, number> = {};
  const seen = new Set<object>();
  let size = 0;
  for (const entry of rootfs.entries) {
    if (!entry.content || seen.has(entry.content)) continue;
    seen.add(entry.content);
    const bytes = rootfs.sizeOf(entry);
    size += bytes;
    if (bytes >= LISTED) files[entry.path] = bytes;
  }
  return { size, files };
}

/** The id and the version of a distribution, from its os-release file. */
function distributionOf(osRelease = ""): { id: string; version: string } {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)"?$`, "m").exec(osRelease)?.[1];
  return { id: field("ID") ?? "linux", version: field("VERSION_ID") ?? "" };
}
